"""qtz cuts texts into the ids that the tokenizer's own library gives, from a model's folder and from the GGUF made of it."""

import base64
import json
import math
import shutil
import struct
import unittest

import gguf
import tiktoken
import tokenizers
from tiktoken.load import load_tiktoken_bpe

from difficult_texts import DECOMPOSED, TEXTS
from support import ARCHITECTURES, FolderTestCase, make_checkpoint, run_qtz
from tokenizer_libraries import REAL, SHARED, WITHOUT_SPACE, library_of, write_tiny_llama

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|"
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def texts_of(name, library):
    """Difficult texts, and every added token between others."""
    if getattr(library, "pieces", False) is True:
        return library.texts()  # with a table of characters that no real model has
    # Made without what the real ones have: they take the spaces before them.
    unlike = {"[MASK]", "<mask>"} if "bert" in name and not getattr(library, "words", False) else set()
    added = [token["content"] for token in getattr(library, "added", [])]
    return [*TEXTS, *DECOMPOSED, *(f"x{content}y {content} z" for content in added if content not in unlike)]


def whole_files():
    return [(path.name, path.read_bytes().decode("utf-8", errors="replace")) for path in sorted((SHARED / "text").glob("*"))]


class QtzCutsAsTheLibraryDoes(FolderTestCase):
    def ids(self, model, text, *flags):
        file = self.folder / "text.txt"
        file.write_bytes(text.encode())
        said = run_qtz("tokenize", model, "--file", file, "--json", "-q", *flags)
        return json.loads(said)["tokens"]

    def check(self, model, cut, texts, *flags):
        """`texts` are pairs of a name and a text. All that differ are shown, each with its first difference."""
        wrong = []
        for name, text in texts:
            wanted, found = cut(text), self.ids(model, text, "--no-bos", *flags)
            if wanted == found:
                continue
            at = next((i for i, pair in enumerate(zip(wanted, found)) if pair[0] != pair[1]), min(len(wanted), len(found)))
            begin = max(at - 2, 0)
            wrong.append(f"{name!r}: {len(wanted)} ids, first difference at {at}: {wanted[begin:at + 6]}, not {found[begin:at + 6]}")
        self.assertEqual(len(wrong), 0, f"of {len(texts)} texts are cut otherwise:\n" + "\n".join(wrong[:20]))

    def model_of(self, name, files, size, config=None, flags=()):
        """A GGUF of a tiny Llama with a tokenizer. `files`: name in the folder -> file, or its contents."""
        folder = self.folder / name
        folder.mkdir()
        for target, source in files.items():
            if isinstance(source, str):
                (folder / target).write_text(source, encoding="utf-8")
            else:
                shutil.copyfile(source, folder / target)
        write_tiny_llama(folder, size, config or {})
        run_qtz("quantize", folder, "--type", "F16", "-o", self.folder / f"{name}.gguf", "-q", *flags)
        return self.folder / f"{name}.gguf"

    def test_with_the_tokenizer_of_every_architecture(self):
        names = sorted({path.parent.name for path in ARCHITECTURES.glob("*/logits.json")})
        self.assertGreater(len(names), 40)
        count = 0
        for name in names:
            with self.subTest(name):
                folder = make_checkpoint(name, self.folder)
                library = library_of(folder, space=name not in WITHOUT_SPACE)
                texts = texts_of(name, library)
                flags = ["--special"] if library.flags else []
                self.check(folder, library.cut, [(text[:60], text) for text in texts], *flags)
                self.assertEqual(self.ids(folder, "Hello world"), library.frame("Hello world"))
                file = self.folder / f"{name}.gguf"
                run_qtz("quantize", folder, "--type", "BF16", "-o", file, "-q")
                for flag in ["--special"], []:
                    self.assertEqual(self.ids(file, "\n".join(texts), *flag), self.ids(folder, "\n".join(texts), *flag))
                file.unlink()
                count += len(texts)
                shutil.rmtree(folder)
        print(f"{len(names)} folders, {count} texts", flush=True)

    def test_with_real_tokenizers_on_whole_files(self):
        texts = whole_files()
        if not texts:
            self.skipTest(f"no {SHARED / 'text'}")
        for name, real in REAL.items():
            with self.subTest(name):
                files = {target: SHARED / source for target, source in real.files.items()}
                folder = self.folder / f"{name}-files"
                folder.mkdir()
                for target, source in files.items():
                    shutil.copyfile(source, folder / target)
                library = library_of(folder)
                model = self.model_of(name, files, library.size, real.config, real.flags)
                self.check(model, library.cut, texts, *(["--special"] if library.flags else []))
                self.assertEqual(self.ids(model, "Hello world"), library.frame("Hello world"))
        print(f"{len(REAL)} tokenizers, {len(texts)} files", flush=True)

    def test_as_tiktoken_on_whole_files(self):
        texts = whole_files()
        if not texts:
            self.skipTest(f"no {SHARED / 'text'}")
        with self.subTest("llama3"):
            folder = SHARED / "tokenizers" / "llama3"
            ranks = load_tiktoken_bpe(str(folder / "tokenizer.model"))
            encoding = tiktoken.Encoding("llama3", pat_str=LLAMA3, mergeable_ranks=ranks, special_tokens={})
            files = {"vocab.json": folder / "encoder.json", "merges.txt": folder / "vocab.bpe"}
            model = self.model_of("llama3", files, len(ranks), flags=("--tokenizer-pre", "llama-bpe"))
            self.check(model, encoding.encode_ordinary, texts)
        with self.subTest("cl100k as tekken"):
            ranks = load_tiktoken_bpe(str(SHARED / "tokenizers" / "cl100k" / "cl100k_base.tiktoken"))
            encoding = tiktoken.Encoding("cl100k", pat_str=TEKKEN, mergeable_ranks=ranks, special_tokens={})
            model = self.model_of("cl100k", {"tekken.json": tekken_of(ranks)}, len(ranks) + TEKKEN_SPECIALS)
            self.check(model, lambda text: [id + TEKKEN_SPECIALS for id in encoding.encode_ordinary(text)], texts)

    def test_as_wordpiece_on_whole_files(self):
        texts = whole_files()
        model = SHARED / "ggml-vocab" / "ggml-vocab-bert-bge.gguf"
        if not texts or not model.exists():
            self.skipTest(f"no {model}")
        library = tokenizers.BertWordPieceTokenizer(wordpiece_of(model))
        self.check(model, lambda text: library.encode(text, add_special_tokens=False).ids, texts)
        self.assertEqual(self.ids(model, "Hello world"), library.encode("Hello world").ids)

    def test_as_unigram_on_whole_files(self):
        texts = whole_files()
        source = SHARED / "tokenizers" / "t5-small" / "tokenizer.json"
        if not texts or not source.exists():
            self.skipTest(f"no {source}")
        library = tokenizers.Tokenizer.from_file(str(source))
        # The architecture of the other models takes no such vocabulary: one of the small folders, grown.
        folder = make_checkpoint("t5", self.folder)
        (folder / "spiece.model").unlink()
        shutil.copyfile(source, folder / "tokenizer.json")
        grow_vocabulary(folder, "shared.weight", library.get_vocab_size())
        self.check(folder, lambda text: library.encode(text, add_special_tokens=False).ids, texts, "--special")
        self.assertEqual(self.ids(folder, "Hello world"), library.encode("Hello world").ids)


TEKKEN_SPECIALS = 20


def tekken_of(ranks):
    """Mistral's form of a vocabulary of ranks."""
    vocab = [
        {"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
        for token, rank in sorted(ranks.items(), key=lambda item: item[1])
    ]
    size = len(ranks) + TEKKEN_SPECIALS
    config = {"pattern": TEKKEN, "default_vocab_size": size, "default_num_special_tokens": TEKKEN_SPECIALS, "version": "v3"}
    return json.dumps({"config": config, "vocab": vocab})


def grow_vocabulary(folder, embedding, size):
    """Gives a model another number of tokens; all weights become zeros."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"vocab_size": size}))
    weights = (folder / "model.safetensors").read_bytes()
    header = json.loads(weights[8 : 8 + struct.unpack("<Q", weights[:8])[0]])
    header.pop("__metadata__", None)
    header[embedding]["shape"][0] = size
    end = 0
    for tensor in header.values():
        begin, end = end, end + 2 * math.prod(tensor["shape"])
        tensor["data_offsets"] = [begin, end]
    raw = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(end))


def wordpiece_of(model):
    """The vocabulary of a GGUF as BERT's files have it: what continues a word is marked, not what begins one."""
    reader = gguf.GGUFReader(model)
    types = reader.fields["tokenizer.ggml.token_type"].contents()
    vocabulary = {}
    for id, text in enumerate(reader.fields["tokenizer.ggml.tokens"].contents()):
        if types[id] == gguf.TokenType.NORMAL:
            text = text[1:] if text.startswith("\u2581") else "##" + text
        vocabulary[text] = id
    return vocabulary


if __name__ == "__main__":
    unittest.main()
