"""With the vocabulary that qtz writes, llama.cpp cuts texts into the ids that the tokenizer's own library gives."""

import json
import pathlib
import shutil
import tempfile
import unittest

from support import ARCHITECTURES, DEMO, FolderTestCase, make_checkpoint, run_llama, run_qtz
from tokenizer_libraries import REAL, SHARED, WITHOUT_SPACE, library_of, write_tiny_llama

NOT_LOADED = {"gemma3n", "gemma3n-shared", "laguna", "mamba2", "mellum"}  # by this llama.cpp: see test_architectures.py
NOT_LOADED |= {"kimi-linear", "deepseek3-2", "deepseek4", "kimi-k3", "minimax-m3"}  # architectures that are newer
NOT_LOADED |= {"nemotron-h-mtp", "step3-5"}  # it counts no tensors of layers that predict
# Without a tokenizer.json the converter does not say what stands before a text, and llama.cpp puts nothing there.
UNFRAMED = {"xlm-roberta"}

# What a text of the large test data must not hold, with the reason.
LEFT_OUT = {
    # An ordinary token of these vocabularies; llama.cpp takes every token of this text for a control token.
    "qwen2": ["</s>"],
    # User-defined pieces, which are never cut; the converter writes them as ordinary ones, and so does qtz.
    "gemma-spm": ["<s>", "</s>"],
    # This model wants runs of spaces removed; llama.cpp never does so for this kind of tokenizer.
    "stories260K": ["  "],
}


def real_texts():
    """Pieces of the large test data's texts; empty without it."""
    pieces = []
    for name in ("wiki.test.raw", "exl3_c4.utf8", "exl3_code.utf8", "war-and-peace.txt"):
        path = SHARED / "text" / name
        if path.exists():
            text = path.read_text(encoding="utf-8", errors="replace")
            pieces += [text[begin : begin + 3000].strip(" ") for begin in range(0, 400_000, 100_000)]
    return [piece for piece in pieces if "\ufffd" not in piece]


class LlamaCutsAsTheLibraryDoes(FolderTestCase):
    def llama_cut(self, gguf, texts, *flags):
        with tempfile.TemporaryDirectory() as name:
            given, out = pathlib.Path(name) / "texts.json", pathlib.Path(name) / "ids.json"
            given.write_text(json.dumps(texts), encoding="utf-8")
            run_llama("cut", gguf, given, out, *flags)
            return json.loads(out.read_text(encoding="utf-8"))

    def check(self, folder, library, flags=(), more_texts=()):
        gguf = folder / "vocabulary.gguf"
        run_qtz("quantize", folder, "--type", "F16", "-o", gguf, "-q", *flags)
        texts = [*library.texts(), *more_texts]
        cut = self.llama_cut(gguf, texts, *library.flags)
        wanted = [library.cut(text) for text in texts]
        wrong = [case for case in zip(texts, wanted, cut, strict=True) if case[1] != case[2]]
        listed = "\n".join(f"{text[:60]!r}: {ids[:20]}, not {found[:20]}" for text, ids, found in wrong[:10])
        self.assertEqual(len(wrong), 0, f"of {len(texts)} texts are cut otherwise:\n{listed}")
        framed = ["", "Hello world"] if folder.name not in UNFRAMED else []
        found = self.llama_cut(gguf, framed, *library.flags, "--add-special")
        self.assertEqual(found, [library.frame(text) for text in framed])
        shutil.rmtree(folder)
        return len(texts)

    def test_with_the_tokenizer_of_every_architecture(self):
        names = sorted({path.parent.name for path in ARCHITECTURES.glob("*/logits.json")} - NOT_LOADED)
        self.assertGreater(len(names), 40)
        texts = 0
        for name in names:
            with self.subTest(name):
                folder = make_checkpoint(name, self.folder)
                texts += self.check(folder, library_of(folder, space=name not in WITHOUT_SPACE))
        print(f"{len(names)} folders, {texts} texts", flush=True)

    def test_with_the_tokenizer_of_the_demo(self):
        folder = shutil.copytree(DEMO, self.folder / "demo")
        self.check(folder, library_of(folder), more_texts=real_texts())

    def test_with_real_tokenizers(self):
        if not (SHARED / "tokenizers").is_dir():
            self.skipTest(f"no {SHARED / 'tokenizers'}")
        more, texts = real_texts(), 0
        for name, real in REAL.items():
            with self.subTest(name):
                folder = self.folder / "real" / name
                folder.mkdir(parents=True)
                for target, source in real.files.items():
                    shutil.copyfile(SHARED / source, folder / target)
                library = library_of(folder)
                write_tiny_llama(folder, library.size, real.config)
                fitting = [text for text in more if not any(part in text for part in LEFT_OUT.get(name, []))]
                texts += self.check(folder, library, real.flags, fitting)
        print(f"{len(REAL)} tokenizers, {texts} texts", flush=True)


if __name__ == "__main__":
    unittest.main()
