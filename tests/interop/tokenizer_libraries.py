"""The tokenizers' own libraries, and the tokenizers to hold against them: small ones in the repository, real ones in the
large test data."""

import ast
import base64
import dataclasses
import json
import os
import pathlib
import struct
import unicodedata

import numpy
import sentencepiece
import tokenizers
from sentencepiece import sentencepiece_model_pb2

from difficult_texts import DECOMPOSED, TEXTS
from support import DATA

SHARED = pathlib.Path(os.environ.get("QTZ_SHARED") or DATA.parents[2] / "shared") / "data"

# InternLM 3 puts a space before a text by the code beside its weights, whatever the model's file says.
WITH_SPACE = {"internlm3"}
# Added tokens take the place of pieces, of which the model's file knows nothing.
REDEFINED = {"arctic"}
# Gemma models put no space before a text. These folders say so as the model's class does, with a tokenizer that does.
WITHOUT_SPACE = {"gemma", "gemma2", "gemma3", "gemma3n", "gemma3n-shared", "gemma4", "gemma4-moe", "gemma4-per-layer"}


@dataclasses.dataclass(frozen=True)
class RealTokenizer:
    """A tokenizer of the large test data. `files`: name in the model's folder -> file there."""

    files: dict
    config: dict = dataclasses.field(default_factory=dict)
    flags: tuple = ()


def one(path, config=None, flags=(), name="tokenizer.json"):
    """A tokenizer with its tokenizer_config.json, where that is beside it."""
    files = {name: path}
    beside = str(pathlib.PurePosixPath(path).parent / "tokenizer_config.json")
    if (SHARED / beside).exists():
        files["tokenizer_config.json"] = beside
    return RealTokenizer(files, config or {}, flags)


def model(path, config=None):
    return one(path, config, name="tokenizer.model")


QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
KIMI = (
    r"[\p{Han}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
RANK_FILES = {"tekken.json": "", "qwen.tiktoken": QWEN, "hy.tiktoken": QWEN, "tiktoken.model": KIMI}
GPT2_FILES = {"vocab.json": "tokenizers/gpt2/vocab.json", "merges.txt": "tokenizers/gpt2/merges.txt"}
REAL = {
    "falcon": one("tokenizers/falcon/tokenizer.json", {"bos_token_id": 11, "eos_token_id": 11}),
    "gpt2": RealTokenizer(GPT2_FILES, {"bos_token_id": 50256, "eos_token_id": 50256}, ("--tokenizer-pre", "gpt-2")),
    "llama2-json": RealTokenizer({
        "tokenizer.json": "tokenizers/llama2/tokenizer.hf_llama1.json",
        "tokenizer_config.json": "tokenizers/llama2/tokenizer_config.json",
    }),
    # llama.cpp knows by the model's name that Phi-3's special tokens take the spaces after them.
    "phi-3-json": one("tokenizers/phi-3-mini/tokenizer.json", flags=("--model-name", "Phi-3 mini")),
    "phi-2": one("tokenizers/phi-2/tokenizer.json"),
    "qwen2": one("tokenizers/qwen2/tokenizer.derived.json"),
    "roberta": one("tokenizers/roberta-gpt2bpe/tokenizer.json", {"bos_token_id": 0, "eos_token_id": 2}),
    "smollm2": one("tokenizers/smollm2/tokenizer.json"),
    "gemma-spm": model(
        "tokenizers/gemma/tokenizer.derived.model",
        {"architectures": ["GemmaForCausalLM"], "model_type": "gemma", "bos_token_id": 2, "eos_token_id": 1},
    ),
    "llama2-spm": model("tokenizers/llama2/tokenizer.model"),
    "mistral-v1": model("tokenizers/mistral-spm/tokenizer.model.v1"),
    "mistral-v2": model("tokenizers/mistral-spm/mistral_instruct_tokenizer_240216.model.v2"),
    "mistral-v3": model("tokenizers/mistral-spm/mistral_instruct_tokenizer_240323.model.v3"),
    "quality": model("models/quality/tokenizer.model"),
    "stories260K": model("models/stories260K-hf/tokenizer.model"),
    # models/learning-lm-story is not here: its vocabulary has no bytes, and llama.cpp ends the process at a character
    # that such a vocabulary lacks.
}


class HubLibrary:
    """`tokenizers` on a tokenizer.json, or on a vocab.json with its merges.txt."""

    def __init__(self, folder, space):
        if (folder / "tokenizer.json").exists():
            description = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
            if not space:
                self.assert_prepends(description["pre_tokenizer"])
                description["pre_tokenizer"]["prepend_scheme"] = "never"
            self.tokenizer = tokenizers.Tokenizer.from_str(json.dumps(description))
            normalizer = json.dumps(description["normalizer"])
            self.composes = any(name in normalizer for name in ("NFC", "BertNormalizer"))
            self.added = description["added_tokens"]
            self.words = description["model"].get("type") == "WordPiece"
            self.pieces = description["model"].get("type") == "Unigram"
        else:
            files = [str(folder / name) for name in ("vocab.json", "merges.txt")]
            self.tokenizer = tokenizers.ByteLevelBPETokenizer(*files)
            self.composes, self.added, self.words, self.pieces = False, [], False, False
        self.size = self.tokenizer.get_vocab_size()
        self.flags = ["--parse-special"]  # as the library does

    @staticmethod
    def assert_prepends(step):
        assert step["type"] == "Metaspace" and step["prepend_scheme"] == "first", step

    def cut(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def frame(self, text):
        return self.tokenizer.encode(text).ids

    def texts(self):
        # llama.cpp knows no tokens that take the spaces before them.
        texts = [f"x{token['content']}y {token['content']} z" for token in self.added if not token["lstrip"]]
        if self.words:  # it sees no separator of lines in U+2028, and no added words: the converter marks them as beginnings
            return [text for text in TEXTS if "\u2028" not in text]
        if self.pieces:  # whose table of characters is too small to make spaces of line breaks, as real ones do
            unlike = "\u2581\t\n\r\x0b\x0c\x85\u00a0\u2028\u3000"
            return [text for text in [*TEXTS, *texts] if text.strip() and not any(c in unlike for c in text)]
        # It does not compose characters either.
        return [*TEXTS, *texts, *([] if self.composes else DECOMPOSED)]


def redefine_pieces(description, folder):
    """Puts the added tokens of the configuration where it says, as pieces that are found before all others."""
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    kinds = sentencepiece_model_pb2.ModelProto.SentencePiece.Type
    for id, token in sorted(config["added_tokens_decoder"].items(), key=lambda item: int(item[0])):
        if int(id) == len(description.pieces):
            description.pieces.add()
        piece = description.pieces[int(id)]
        if piece.piece != token["content"]:
            piece.piece = token["content"]
            piece.type = kinds.CONTROL if token["special"] else kinds.USER_DEFINED


class SentencePieceLibrary:
    """`sentencepiece` on a tokenizer.model."""

    def __init__(self, folder, space):
        description = sentencepiece_model_pb2.ModelProto()
        description.ParseFromString((folder / "tokenizer.model").read_bytes())
        if not space:
            description.normalizer_spec.add_dummy_prefix = False
        if folder.name in WITH_SPACE:
            description.normalizer_spec.add_dummy_prefix = True
        if folder.name in REDEFINED:
            redefine_pieces(description, folder)
        self.removes_spaces = description.normalizer_spec.remove_extra_whitespaces
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=description.SerializeToString())
        self.size = self.processor.vocab_size()
        self.flags = []  # control tokens are not looked for in texts
        path = folder / "tokenizer_config.json"
        config = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        bos = config.get("bos_token", "<s>")
        bos = self.processor.piece_to_id(bos["content"] if isinstance(bos, dict) else bos)
        self.before = [bos] if config.get("add_bos_token", True) else []

    def cut(self, text):
        return self.processor.encode(text)

    def frame(self, text):
        return self.before + self.cut(text)

    def texts(self):
        texts = [*TEXTS, *DECOMPOSED]
        if self.removes_spaces:  # see LEFT_OUT
            texts = [text for text in texts if "  " not in text and text == text.strip(" ")]
        return texts


class UnigramLibrary:
    """`sentencepiece` on the model of T5, or of XLM-RoBERTa, which numbers its tokens as fairseq did."""

    def __init__(self, folder):
        self.fairseq = (folder / "sentencepiece.bpe.model").exists()
        name = "sentencepiece.bpe.model" if self.fairseq else "spiece.model"
        self.processor = sentencepiece.SentencePieceProcessor(str(folder / name))
        self.flags = []

    def cut(self, text):
        ids = self.processor.encode(text)
        return [3 if id == self.processor.unk_id() else id + 1 for id in ids] if self.fairseq else ids

    def frame(self, text):
        return [0, *self.cut(text), 2] if self.fairseq else [*self.cut(text), 1]

    def texts(self):
        return [*TEXTS, *DECOMPOSED]


class RankLibrary:
    """Merges in the order of ranks, after the cuts that the expression makes; its rules are `tokenizers`' own."""

    def __init__(self, folder):
        name, pattern = next((folder / name, pattern) for name, pattern in RANK_FILES.items() if (folder / name).exists())
        if name.suffix == ".json":
            whole = json.loads(name.read_text(encoding="utf-8"))
            pattern = whole["config"]["pattern"]
            self.first = whole["config"]["default_num_special_tokens"]
            ranks = [base64.b64decode(entry["token_bytes"]) for entry in whole["vocab"]]
        else:
            self.first = 0
            ranks = [base64.b64decode(line.split()[0]) for line in name.read_text().splitlines()]
        self.composes = name.suffix == ".tiktoken"  # their code does so
        self.ranks = {token: rank for rank, token in enumerate(ranks)}
        whole_pattern = tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
        self.pieces = lambda text: [piece for piece, _ in whole_pattern.pre_tokenize_str(text)]
        self.flags = []

    def cut(self, text):
        if self.composes:
            text = unicodedata.normalize("NFC", text)
        return [self.first + self.ranks[part] for piece in self.pieces(text) for part in self.merge(piece.encode())]

    def merge(self, piece):
        parts = [piece[i : i + 1] for i in range(len(piece))]
        while True:
            pairs = [(self.ranks[a + b], at) for at, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in self.ranks]
            if not pairs:
                return parts
            at = min(pairs)[1]
            parts[at : at + 2] = [parts[at] + parts[at + 1]]

    def frame(self, text):
        return ([1] if self.first else []) + self.cut(text)

    def texts(self):
        return [*TEXTS, *([] if self.composes else DECOMPOSED)]


class LongestMatchLibrary:
    """RWKV's rule: at each place the longest token that fits."""

    def __init__(self, folder):
        self.ids = {}
        for line in (folder / "rwkv_vocab_v20230424.txt").read_text(encoding="utf-8").splitlines():
            id, rest = line.split(" ", 1)
            token = ast.literal_eval(rest.rsplit(" ", 1)[0])
            self.ids[token.encode() if isinstance(token, str) else token] = int(id)
        self.longest = max(map(len, self.ids))
        self.flags = []

    def cut(self, text):
        data, ids = text.encode(), []
        while data:
            size = next(n for n in range(min(self.longest, len(data)), 0, -1) if data[:n] in self.ids)
            ids.append(self.ids[data[:size]])
            data = data[size:]
        return ids

    frame = cut

    def texts(self):
        return [*TEXTS, *DECOMPOSED]


def library_of(folder, space=True):
    if (folder / "rwkv_vocab_v20230424.txt").exists():
        return LongestMatchLibrary(folder)
    if any((folder / name).exists() for name in RANK_FILES):
        return RankLibrary(folder)
    if any((folder / name).exists() for name in ("spiece.model", "sentencepiece.bpe.model")):
        return UnigramLibrary(folder)
    kind = SentencePieceLibrary if (folder / "tokenizer.model").exists() else HubLibrary
    return kind(folder, space)


def write_tiny_llama(folder, vocabulary, config):
    """The smallest llama there is, all zeros, for a tokenizer of that many tokens."""
    hidden = 32
    layer = "model.layers.0."
    shapes = {"model.embed_tokens.weight": [vocabulary, hidden]}
    for name in ("model.norm", layer + "input_layernorm", layer + "post_attention_layernorm"):
        shapes[name + ".weight"] = [hidden]
    for name in ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down"):
        shapes[f"{layer}{name}_proj.weight"] = [hidden, hidden]
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * int(numpy.prod(shape))
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    raw = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw + bytes(end))
    base = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": hidden, "intermediate_size": hidden,
        "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "head_dim": hidden,
        "max_position_embeddings": 128, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "hidden_act": "silu",
        "tie_word_embeddings": True, "vocab_size": vocabulary,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(base | config))
