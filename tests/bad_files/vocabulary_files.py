"""K: vocabularies in files of other kinds, each in the smallest model that takes it."""

import base64
import json
import struct

import fixtures
import tiny_model
from bad_bytes import field, piece, varint
from bad_case import PLAN, QUANTIZE, VERIFY, Case
from tiny_model import folder

SIZE = 32


def tensors(shapes):
    return {name: ("BF16", shape, fixtures.ramp(shape[0], shape[1] if len(shape) > 1 else 1)) for name, shape in shapes.items()}


def model(config, shapes, **files):
    """A model of this configuration and these shapes, with these files and no tokenizer.json."""
    given = {"tokenizer_json": None, "tokenizer_config_json": {}, **files}
    return folder(tensors(shapes), config_json=config, **given)


# --- BERT, WordPiece

BERT = {
    "architectures": ["BertModel"], "model_type": "bert", "hidden_size": SIZE, "intermediate_size": SIZE,
    "max_position_embeddings": 8, "num_attention_heads": 1, "num_hidden_layers": 1, "vocab_size": 8, "pad_token_id": 0,
}  # fmt: skip


def bert(**files):
    shapes = {"embeddings.word_embeddings.weight": [8, SIZE], "embeddings.position_embeddings.weight": [8, SIZE]}
    shapes |= {f"embeddings.LayerNorm.{kind}": [SIZE] for kind in ("weight", "bias")}
    for name in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense", "intermediate.dense", "output.dense"):  # fmt: skip
        shapes |= {f"encoder.layer.0.{name}.weight": [SIZE, SIZE], f"encoder.layer.0.{name}.bias": [SIZE]}
    for name in ("attention.output.LayerNorm", "output.LayerNorm"):
        shapes |= {f"encoder.layer.0.{name}.{kind}": [SIZE] for kind in ("weight", "bias")}
    return model(BERT, shapes, **files)


WORDS = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nplay\n##ing\n"

# --- the encoder of T5, unigram

T5 = {
    "architectures": ["T5EncoderModel"], "model_type": "t5", "d_model": SIZE, "d_ff": SIZE, "d_kv": SIZE, "num_heads": 1,
    "num_layers": 1, "vocab_size": 8,
}  # fmt: skip


def t5(**files):
    block = "encoder.block.0.layer."
    shapes = {"shared.weight": [8, SIZE], "encoder.final_layer_norm.weight": [SIZE]}
    shapes |= {f"{block}0.SelfAttention.{part}.weight": [SIZE, SIZE] for part in "qkvo"}
    shapes |= {f"{block}1.DenseReluDense.{part}.weight": [SIZE, SIZE] for part in ("wi", "wo")}
    shapes |= {f"{block}{part}.layer_norm.weight": [SIZE] for part in "01"}
    shapes[f"{block}0.SelfAttention.relative_attention_bias.weight"] = [32, 1]
    return model(T5, shapes, **files)


PIECES = piece("<pad>", 0, 3) + piece("</s>", 0, 3) + piece("<unk>", 0, 2) + piece("a", -1) + piece("b", -2)
UNIGRAM = field(2, 2, field(3, 0, varint(1)))
CHARSMAP = struct.pack("<I", 4) + b"abcd" + b"x\0"


def unigram(charsmap=CHARSMAP, pieces=PIECES, kind=UNIGRAM):
    return t5(spiece_model=pieces + kind + field(3, 2, field(2, 2, charsmap)))


def unigram_json(vocab, charsmap=base64.b64encode(CHARSMAP).decode()):
    whole = {
        "added_tokens": [], "pre_tokenizer": {"type": "Metaspace"}, "post_processor": None, "decoder": None,
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": charsmap}, "model": {"type": "Unigram", "unk_id": 2, "vocab": vocab},
    }  # fmt: skip
    return t5(tokenizer_json=whole)


VOCAB = [["<pad>", 0], ["</s>", 0], ["<unk>", 0], ["a", -1.5]]

# --- the first Qwen, tiktoken

QWEN = {
    "architectures": ["QWenLMHeadModel"], "model_type": "qwen", "hidden_size": SIZE, "intermediate_size": 2 * SIZE,
    "num_attention_heads": 1, "num_hidden_layers": 1, "vocab_size": 224, "max_position_embeddings": 8, "layer_norm_epsilon": 1e-6,
}  # fmt: skip


def qwen(ranks):
    layer = "transformer.h.0."
    shapes = {"transformer.wte.weight": [224, SIZE], "transformer.ln_f.weight": [SIZE], "lm_head.weight": [224, SIZE]}
    shapes |= {layer + "ln_1.weight": [SIZE], layer + "ln_2.weight": [SIZE], layer + "attn.c_attn.bias": [3 * SIZE]}
    shapes |= {layer + "attn.c_attn.weight": [3 * SIZE, SIZE], layer + "attn.c_proj.weight": [SIZE, SIZE]}
    shapes |= {f"{layer}mlp.{part}.weight": [SIZE, SIZE] for part in ("w1", "w2", "c_proj")}
    return model(QWEN, shapes, qwen_tiktoken=ranks)


RANKS = "YQ== 0\nYg== 1\nYWI= 2\n"

# --- Mistral, tekken


def whole_tekken():
    vocab = [{"rank": i, "token_bytes": base64.b64encode(bytes([i])).decode()} for i in range(256)]
    vocab.append({"rank": 256, "token_bytes": base64.b64encode(b"ab").decode()})
    return {
        "config": {"version": "v7", "default_vocab_size": 260, "default_num_special_tokens": 3}, "vocab": vocab,
        "special_tokens": [{"token_str": text} for text in ("<unk>", "<s>", "</s>")],
    }  # fmt: skip


def tekken(change=None, text=None):
    whole = whole_tekken()
    if change:
        change(whole)
    weights = tiny_model.tensors()
    weights["model.embed_tokens.weight"] = ("BF16", [260, 32], bytes(260 * 64))
    files = {"tokenizer_json": None, "tokenizer_config_json": {}, "tekken_json": json.dumps(whole) if text is None else text}
    return folder(weights, config_json=tiny_model.config(vocab_size=260), **files)


PARAMS = {"dim": SIZE, "n_layers": 1, "head_dim": SIZE, "hidden_dim": SIZE, "n_heads": 1, "n_kv_heads": 1, "norm_eps": 1e-5, "vocab_size": 260, "max_position_embeddings": 64}
YARN = {"original_max_position_embeddings": 32, "factor": 2, "apply_scale": False, "beta": 32, "alpha": 1}


def params(**changes):
    """Mistral's own format: params.json, and the names of its own program."""
    layer = "layers.0."
    shapes = {"tok_embeddings.weight": [260, SIZE], "norm.weight": [SIZE], "output.weight": [260, SIZE]}
    shapes |= {layer + "attention_norm.weight": [SIZE], layer + "ffn_norm.weight": [SIZE]}
    shapes |= {f"{layer}attention.w{part}.weight": [SIZE, SIZE] for part in "qkvo"}
    shapes |= {f"{layer}feed_forward.w{number}.weight": [SIZE, SIZE] for number in "123"}
    described = {key: value for key, value in {**PARAMS, **changes}.items() if value is not None}
    return folder(tensors(shapes), config_json=None, tokenizer_json=None, tokenizer_config_json=None, params_json=described, tekken_json=json.dumps(whole_tekken()))


def at(path, value):
    """Replaces what stands at `path` of a document."""

    def change(whole):
        for key in path[:-1]:
            whole = whole[key]
        whole[path[-1]] = value

    return change


# --- RWKV 7

RWKV = {
    "architectures": ["RWKV7ForCausalLM"], "model_type": "rwkv7", "hidden_size": SIZE, "intermediate_size": SIZE, "head_dim": SIZE,
    "num_hidden_layers": 1, "norm_eps": 1e-5, "vocab_size": 8, "decay_low_rank_dim": 32, "a_low_rank_dim": 32,
    "v_low_rank_dim": 32, "gate_low_rank_dim": 32,
}  # fmt: skip


def rwkv(text):
    layer = "model.layers.0."
    shapes = {"model.embeddings.weight": [8, SIZE], "lm_head.weight": [8, SIZE]}
    for name in ("model.norm", layer + "pre_norm", layer + "attn_norm", layer + "ffn_norm", layer + "attn.g_norm"):
        shapes |= {f"{name}.{kind}": [SIZE] for kind in ("weight", "bias")}
    shapes |= {f"{layer}attn.x_{part}": [SIZE] for part in "rwkvag"} | {f"{layer}attn.{part}": [SIZE] for part in ("k_k", "k_a", "r_k")}
    for part in "wag":
        shapes |= {f"{layer}attn.{part}_lora.lora.{number}.weight": [SIZE, SIZE] for number in "02"}
    shapes |= {f"{layer}attn.{part}_lora.lora.2.bias": [SIZE] for part in "wa"}
    shapes |= {f"{layer}attn.{part}_proj.weight": [SIZE, SIZE] for part in "rkvo"}
    shapes |= {layer + "ffn.x_k": [SIZE], layer + "ffn.key.weight": [SIZE, SIZE], layer + "ffn.value.weight": [SIZE, SIZE]}
    return model(RWKV, shapes, **{"rwkv_vocab_v20230424_txt": text})


LINES = "1 '\\x00' 1\n2 b'\\xff' 1\n3 \"a'b\" 3\n"


def refused(id, name, build, piece, at, code=4):
    return Case(id, name, build, "model", (PLAN, QUANTIZE), code, piece, at=at)


def accepted(id, name, build, piece="ok"):
    return Case(id, name, build, "model", (QUANTIZE, VERIFY), 0, piece)


CASES = [
    accepted("K03", "vocab.txt", bert(vocab_txt=WORDS)),
    *(refused("K03", f"vocab.txt {name}", bert(vocab_txt=text), piece, "vocab.txt") for name, text, piece in (("empty", "", "the vocabulary is empty"), ("with a token twice", WORDS + "play\n", "'play' appears twice"), ("not a text", bytes(range(128, 256)), "is not UTF-8"), ("with more tokens than rows", WORDS + "a\nb\nc\n", "but the model has 8 embedding rows"))),
    accepted("K08", "unigram pieces", unigram()),
    refused("K08", "spiece.model of pairs", unigram(kind=field(2, 2, field(3, 0, varint(2)))), "is no unigram model", "spiece.model"),
    refused("K08", "more unigram pieces than rows", unigram(pieces=PIECES * 2), "has 10 pieces, but the model has 8", "spiece.model"),
    *(refused("K09", f"table of characters {name}", unigram(table), piece, "spiece.model") for name, table, piece in (("of 3 bytes", b"abc", "has only 3 bytes"), ("that claims 4 GB", b"\xfc\xff\xff\xff" + CHARSMAP[4:], "claims a trie of 4294967292 bytes"), ("without an end", CHARSMAP[:-1], "does not end with a zero byte"), ("without replacements", CHARSMAP[:-2], "but 4 bytes follow"))),
    accepted("K09", "table of characters in tokenizer.json", unigram_json(VOCAB)),
    refused("K09", "table of characters not Base64", unigram_json(VOCAB, "BAAA!"), "is not Base64", "tokenizer.json"),
    *(refused("K01", f"unigram entries {name}", unigram_json(vocab), piece, "tokenizer.json") for name, vocab, piece in (("without a score", [["a"]], "not a pair of a text and a finite score"), ("with a text for a score", [["a", "b"]], "not a pair"), ("of three", [["a", 0, 1]], "not a pair"), ("beyond single precision", [["a", 1e39]], "not a pair"), ("nested", [[["a", 0]]], "not a pair"), ("missing", [], "the vocabulary is empty"), ("more than rows", VOCAB * 3, "has 12 pieces"))),
    accepted("K10", "tekken.json", tekken()),
    *(refused("K10", f"tekken.json {name}", tekken(at(path, value)), piece, "tekken.json") for name, path, value, piece in (
        ("without a size", ("config",), {}, "has no 'default_vocab_size'"), ("of 2^40 tokens", ("config", "default_vocab_size"), 2**40, "1099511627776 tokens"), ("of -1 tokens", ("config", "default_vocab_size"), -1, "is no count"),
        ("of special tokens alone", ("config", "default_num_special_tokens"), 260, "claims 260 special tokens of 260"), ("with fewer tokens than it says", ("config", "default_vocab_size"), 300, "lists 257 tokens"),
        ("with a rank out of place", ("vocab", 5, "rank"), 6, "token 5 has another rank"), ("with a token that is not Base64", ("vocab", 256, "token_bytes"), "YWI", "token 256 is not Base64"), ("with a token twice", ("vocab", 256, "token_bytes"), "YQ==", "are both 'a'"),
        ("with a token that nothing makes", ("vocab", 256, "token_bytes"), "YWJj", "is not made of two others"), ("with an empty token", ("vocab", 256, "token_bytes"), "", "is empty"), ("with tokens that are none", ("vocab",), [1] * 257, "token 0 has another rank"), ("with a number for tokens", ("vocab",), 7, "'vocab' is no list"))),
    refused("K10", "tekken.json with a special token twice", tekken(at(("special_tokens", 2, "token_str"), "<s>")), "are both '<s>'", "model"),
    *(refused("K10", f"tekken.json {name}", tekken(text=text), piece, "tekken.json") for name, text, piece in (("cut", '{"config": {', "not valid JSON"), ("empty", "{}", "has no 'config'"), ("a number", "7", "has no 'config'"))),
    accepted("K10", "params.json beside tekken.json", params(yarn=YARN, llama_4_scaling={"beta": 0.1})),
    *(refused("K10", f"params.json {name}", params(**changes), piece, "params.json") for name, changes, piece in (("with experts", {"moe": {"num_experts": 4}}, "'moe' is there"), ("without a context", {"max_position_embeddings": None}, "'max_position_embeddings' is missing"), ("with half a YaRN", {"yarn": {**YARN, "factor": "x"}}, "'yarn.factor' is missing or no number"), ("with a temperature of nothing", {"llama_4_scaling": {}}, "'llama_4_scaling.beta' is missing"), ("of another size", {"dim": 48}, "is needed"))),
    accepted("K02", "ranks of tiktoken", qwen(RANKS)),
    *(refused("K02", f"ranks of tiktoken {name}", qwen(text), piece, "qwen.tiktoken") for name, text, piece in (("empty", "", "the vocabulary is empty"), ("not Base64", "Y! 0\n", "does not begin with a Base64 text"), ("without numbers", "YQ==\n", "has no number for its rank"), ("with 2^64", f"YQ== {2**64}\n", "has no number for its rank"), ("out of order", "YQ== 1\n", "has the rank 1, but 0 comes next"), ("twice", "YQ== 0\nYQ== 1\n", "are both 'a'"), ("of bytes alone", "YQ== 0\nYg== 1\n", "no token is made of two others"), ("of a million bytes", "QUJD" * 350_000 + " 0\n", "more than 512"), ("not a text", bytes(range(256)) * 9, "does not begin with"))),
    accepted("K06", "bytes as Python literals", rwkv(LINES)),
    *(refused("K06", f"bytes as Python literals {name}", rwkv(text), piece, "rwkv_vocab") for name, text, piece in (("empty", "", "the vocabulary is empty"), ("of two parts", "1 'a'\n", "has not three parts"), ("with another id", LINES + "9 'c' 1\n", "has another id than 4"), ("with another length", "1 'a' 2\n", "has another number of bytes"), ("cut", "1 'a 1\n", "has no Python literal"), ("with half an escape", "1 '\\x4' 1\n", "has no Python literal"), ("with half a surrogate", "1 '\\ud800' 3\n", "has no Python literal"), ("with code", "1 __import__('os') 1\n", "has no Python literal"))),
    refused("K06", "bytes as Python literals twice", rwkv("1 'a' 1\n2 'a' 1\n"), "are both 'a'", "model"),
]  # fmt: skip
