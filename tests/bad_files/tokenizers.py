"""K: tokenizers and importance matrices."""

import json

import bad_bytes as b
import tiny_model
from bad_bytes import field, imatrix, imatrix_entry, imatrix_gguf, piece, varint
from bad_case import PLAN, QUANTIZE, VERIFY, Case
from tiny_model import TOKENIZER, config, folder

WITH = "plan {in} --type Q4_0 --imatrix {folder}/m.dat"
WRITE = "quantize {in} --type Q4_0 --imatrix {folder}/m.dat --threads 2 -o {out}"


def refused(id, name, build, piece, code=4, at="tokenizer.json", **more):
    return Case(id, name, build, "model", (PLAN, QUANTIZE), code, piece, at=at, **more)


def accepted(id, name, build, piece, commands=(QUANTIZE, VERIFY), **more):
    return Case(id, name, build, "model", commands, 0, piece, **more)


def model(**changes):
    """The tokenizer with other members of its "model"."""
    return folder(tokenizer_json={**TOKENIZER, "model": {**TOKENIZER["model"], **changes}})


def tokenizer(**changes):
    return folder(tokenizer_json={**TOKENIZER, **changes})


def older(merges, vocab=None):
    """The files that tokenizers had before tokenizer.json."""
    vocab = json.dumps(TOKENIZER["model"]["vocab"]) if vocab is None else vocab
    added = {token["content"]: token["id"] for token in TOKENIZER["added_tokens"]}
    older_config = {**tiny_model.TOKENIZER_CONFIG, "tokenizer_class": "GPT2Tokenizer"}
    return folder(tokenizer_json=None, tokenizer_config_json=older_config, vocab_json=vocab, merges_txt=merges, added_tokens_json=added)


def vocabulary(**tokens):
    return model(vocab=tokens)


def raw_vocabulary(text):
    whole = tiny_model.stored(TOKENIZER).decode()
    return folder(tokenizer_json=whole.replace('{"a": 0, "b": 1, "ab": 2}', text))


def added(*tokens):
    return tokenizer(added_tokens=[*TOKENIZER["added_tokens"], *tokens])


def of_bytes(*texts):
    """A tokenizer of pieces with byte fallback, as tokenizer.json has it."""
    vocab = {text: id for id, text in enumerate(["a", "b", "ab", *texts])}
    changes = {"byte_fallback": True, "vocab": vocab, "ignore_merges": False}
    return folder(
        tokenizer_json={
            **TOKENIZER, "added_tokens": [], "pre_tokenizer": None, "post_processor": None,
            "decoder": {"type": "Sequence", "decoders": []}, "model": {**TOKENIZER["model"], **changes},
        },
        tokenizer_config_json={},
    )  # fmt: skip


# --- tokenizer.model

PIECES = piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + piece("a", -1) + piece("b", -2)
BYTES = b"".join(piece(f"<0x{byte:02X}>", 0, 6) for byte in range(256))


def sentencepiece(data, rows=8):
    files = {"tokenizer_json": None, "tokenizer_config_json": {}, "tokenizer_model": data}
    if rows == 8:
        return folder(**files)
    tensors = tiny_model.tensors()
    tensors["model.embed_tokens.weight"] = ("BF16", [rows, 32], bytes(rows * 64))
    return folder(tensors, config_json=config(vocab_size=rows), **files)


def bad_model(id, name, data, piece, **more):
    return refused(id, name, sentencepiece(data), piece, at="tokenizer.model", **more)


def huge_model(folder):
    sentencepiece(PIECES)(folder)
    with open(folder / "model" / "tokenizer.model", "r+b") as file:
        file.truncate(1 << 30)


# --- importance matrices

NAMES = [f"blk.{layer}.{name}.weight" for layer in (0, 1) for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")]  # fmt: skip


def with_matrix(data):
    def build(place):
        folder()(place)
        (place / "m.dat").write_bytes(data)

    return build


def matrix(id, name, data, piece, code=4):
    """Refused by whoever reads it."""
    if code != 0:
        return Case(id, name, with_matrix(data), "model", (WITH, WRITE, "inspect {folder}/m.dat"), code, piece, at="m.dat")
    return Case(id, name, with_matrix(data), "model", (WRITE, VERIFY + " --imatrix {folder}/m.dat"), 0, piece)


def unused(id, name, data, piece):
    """A sound file, but not for this model."""
    return Case(id, name, with_matrix(data), "model", (WITH, WRITE), 4, piece, at="m.dat")


def whole(values=(1.0,) * 32, **more):
    return imatrix(*(imatrix_entry(name.encode(), values, **more) for name in NAMES))


Q = NAMES[0]
NAN, INF = float("nan"), float("inf")

CASES = [
    accepted("K01", "holes between ids", vocabulary(a=0, b=1, ab=5), "ok"),
    refused("K01", "id twice", vocabulary(a=0, b=1, ab=1), "belongs to two tokens"),
    refused("K01", "id negative", vocabulary(a=0, b=-1, ab=2), "'b' has -1 for its id"),
    refused("K01", "id 2^40", vocabulary(a=0, b=2**40, ab=2), "beyond the largest vocabulary"),
    refused("K01", "id a fraction", vocabulary(a=0, b=1.5, ab=2), "a fraction for its id"),
    refused("K01", "id a text", vocabulary(a=0, b="1", ab=2), "a string for its id"),
    refused("K01", "token twice", raw_vocabulary('{"a": 0, "a": 1, "ab": 2}'), "'a' appears twice"),
    refused("K01", "vocabulary empty", vocabulary(), "the vocabulary is empty"),
    refused("K01", "vocabulary a number", model(vocab=7), "the vocabulary is a number"),
    refused("K01", "nothing at all", folder(tokenizer_json="{}"), "is not supported here"),
    refused("K01", "an array", folder(tokenizer_json="[]"), "the document is not an object"),
    refused("K01", "100,000 deep", folder(tokenizer_json='{"model":' + '{"x":' * 100000), "nested deeper than 64"),
    refused("K01", "cut", folder(tokenizer_json=tiny_model.stored(TOKENIZER)[:-9]), "not valid JSON"),
    accepted("K02", "merges as pairs", model(merges=[["a", "b"]]), "ok"),
    accepted("K02", "merges with a space in a part", model(merges=[["a", "b"], ["a b", "c"]]), "ok"),
    accepted("K02", "merge of unknown tokens", model(merges=["a b", "x y"]), "1 of 2 merges do not make a token"),
    refused("K02", "merges empty", model(merges=[]), "none of 0 merges makes a token"),
    refused("K02", "merges of nothing in the vocabulary", model(merges=["x y"]), "none of 1 merges makes a token"),
    *(refused("K02", f"merges.txt {name}", older(merges), piece, at="vocab.json") for name, merges, piece in (("empty", "", "none of 0 merges"), ("of three parts", "a b c\n", "none of 0 merges"), ("one long line", "x" * 1_000_000, "none of"), ("not a text", bytes(range(256)) * 9, "none of"))),
    accepted("K02", "merges.txt and vocab.json", older("#version: 0.2\na b\n"), "ok"),
    *(refused("K01", f"vocab.json {name}", older("a b\n", vocab), piece, at="vocab.json") for name, vocab, piece in (("cut", '{"a": 0,', "not valid JSON"), ("an array", "[]", "the vocabulary is an array"), ("empty", "", "not valid JSON"))),
    *(refused("K02", f"merges {name}", model(merges=merges), "is not a text of two parts or a pair") for name, merges in (("of three", [["a", "b", "c"]]), ("of numbers", [1]), ("mixed", ["a b", ["a", "b"]]), ("nested", [[["a"], "b"]]))),
    refused("K03", "cut by an unknown pattern", tokenizer(pre_tokenizer={"type": "Split", "pattern": {"Regex": "x+"}, "behavior": "Isolated"}), "--tokenizer-pre"),
    refused("K03", "cut in an unknown way", tokenizer(pre_tokenizer={"type": "Whittle"}), "--tokenizer-pre"),
    *(refused("K03", f"kind {kind}", model(type=kind), f"of kind {kind}") for kind in ("Unigram", "WordPiece", "WordLevel")),
    accepted("K04", "added token with another id than the vocabulary's", added({"id": 7, "content": "ab"}), "is listed as 7 and becomes 2"),
    refused("K04", "added token without a text", added({"id": 5}), "has no text"),
    refused("K04", "added token without an id", added({"content": "x"}), "has no id"),
    refused("K04", "added token with a negative id", added({"id": -5, "content": "x"}), "has no id"),
    accepted("K04", "added token beyond the embedding", added(*({"id": i, "content": f"x{i}"} for i in range(5, 9))), "beyond the 8 embedding rows: left out"),
    accepted("K05", "begin of text beyond the vocabulary", folder(config_json=config(bos_token_id=2**31 - 1)), "outside the vocabulary of 8 tokens: left out"),
    accepted("K05", "end of text negative", folder(config_json=config(eos_token_id=-1)), "outside the vocabulary of 8 tokens: left out"),
    accepted("K05", "end of text 2^63", folder(config_json=config(eos_token_id=2**63)), "outside the vocabulary of 8 tokens: left out"),
    *(bad_model("K06", f"byte token {text}", PIECES + piece(text, 0, 6), "stands for a byte but is") for text in ("<0x-1>", "<0x+1>", "<0xZZ>", "<0x100>", "<0x>", "a")),
    *(accepted("K06", f"piece {text} of a tokenizer.json is no byte", of_bytes(text), "ok") for text in ("<0x-1>", "<0xZZ>", "<0x100>")),
    accepted("K06", "one byte token of 256", sentencepiece(PIECES + piece("<0x00>", 0, 6)), "only 1 of the 256 byte tokens"),
    accepted("K06", "all byte tokens", sentencepiece(PIECES + BYTES, 288), "ok"),
    bad_model("K07", "cut in a piece", PIECES[:-2], "where"),
    bad_model("K07", "number of 11 bytes", PIECES + b"\x0a" + b"\xff" * 10 + b"\x01", "a number of more than"),
    bad_model("K07", "length beyond the file", PIECES + b"\x0a" + varint(2**40), "1099511627776 bytes where 0 are left"),
    bad_model("K07", "length 2^64-1", PIECES + b"\x0a" + varint(2**64 - 1), "18446744073709551615 bytes"),
    bad_model("K07", "piece of 10 MB", lambda: PIECES + piece("a" * 10_000_000), "has 10000000 bytes"),
    *(bad_model("K07", f"wire type {wire}", PIECES + varint(9 << 3 | wire), f"wire type {wire}") for wire in (3, 4, 6, 7)),
    bad_model("K07", "field number 0", PIECES + b"\x02\x00", "field number 0"),
    bad_model("K07", "piece a number", field(1, 0, varint(7)), "another type than it should"),
    bad_model("K07", "score a text", PIECES + field(1, 2, field(1, 2, b"c") + field(2, 2, b"1")), "another type than it should"),
    bad_model("K07", "score not a number", PIECES + piece("c", NAN), "has a score that is not a number"),
    bad_model("K07", "kind of piece unknown", PIECES + piece("c", 0, 99), "has the unknown type 99"),
    bad_model("K07", "piece not UTF-8", PIECES + piece(b"\xff\xfe"), "is not UTF-8"),
    bad_model("K07", "algorithm unknown", PIECES + field(2, 2, field(3, 0, varint(9))), "unknown SentencePiece algorithm 9"),
    bad_model("K07", "empty", b"", "it has no pieces"),
    bad_model("K07", "a page", b"<html>404</html>", "HTML"),
    refused("K07", "piece twice", sentencepiece(PIECES + piece("a")), "tokens 3 and 5 are both 'a'", at="model"),
    bad_model("K08", "10^9 pieces claimed", PIECES + field(2, 2, field(4, 0, varint(10**9))) + b"\x0a" + varint(10**9), "1000000000 bytes where 0 are left"),
    refused("K08", "a gigabyte", huge_model, "are read", at="tokenizer.model"),
    bad_model("K08", "more pieces than rows", PIECES * 2, "has 10 pieces, but the model has 8 embedding rows"),
    accepted("K09", "table of characters of 3 bytes, which llama models do not have", sentencepiece(PIECES + field(3, 2, field(2, 2, b"abc"))), "ok", (QUANTIZE, VERIFY, "inspect {out} --json")),
    *(matrix("K11", f"{n} entries", imatrix(imatrix_entry(), count=n), piece) for n, piece in ((-1, "is -1"), (0, "is 0"), (2**31 - 1, "claims 2147483647"))),
    matrix("K11", "entries beyond the end", imatrix(imatrix_entry(), count=3, tail=b""), "the name of entry 2"),
    *(matrix("K11", f"name of {n} bytes", imatrix(imatrix_entry(name_length=n)), piece) for n, piece in ((-1, "is -1"), (0, "is 0"), (2**31 - 1, "is 2147483647"))),
    *(matrix("K11", f"{n} values", imatrix(imatrix_entry(count=n)), piece) for n, piece in ((-1, "is -1"), (0, "is 0"), (2**31 - 1, "claims"))),
    matrix("K11", "calls negative", imatrix(imatrix_entry(calls=-1)), "is -1"),
    matrix("K11", "entry twice", imatrix(imatrix_entry(), imatrix_entry()), "appears twice"),
    matrix("K11", "cut in the values", imatrix(imatrix_entry(), tail=b"")[:-7], "claims 32 items"),
    matrix("K11", "cut in the name of the text", imatrix(imatrix_entry())[:-3], "claims 8 bytes"),
    matrix("K11", "bytes after the end", imatrix(imatrix_entry()) + b"more", "4 bytes follow the end"),
    matrix("K11", "empty", b"", "is empty"),
    *(matrix("K11", f"value {value}", imatrix(imatrix_entry(values=(1.0, value) * 16)), piece) for value, piece in ((NAN, "non-finite value at position 1"), (INF, "non-finite value at position 1"), (-1.0, "negative value at position 1"))),
    matrix("K12", "counts of zero", imatrix_gguf(counts=(0.0,), name=Q), "1 experts in 1 entries have no data and get equal importance", 0),
    *(matrix("K12", f"sum {value}", imatrix_gguf(sums=(1.0, value) * 16), piece) for value, piece in ((NAN, "non-finite value at position 1"), (INF, "non-finite value at position 1"), (-1.0, "negative value at position 1"))),
    *(matrix("K12", f"count {value}", imatrix_gguf(counts=(value,)), piece) for value, piece in ((NAN, "non-finite"), (INF, "non-finite"), (-1.0, "negative"))),
    matrix("K12", "sums that the counts do not divide", imatrix_gguf(sums=(1.0,) * 32, counts=(1.0,) * 3), "not a multiple of its 3 counts"),
    matrix("K12", "counts missing", imatrix_gguf(only="in_sum2"), "has no counts tensor"),
    matrix("K12", "sums missing", imatrix_gguf(only="counts"), "has no in_sum2 tensor"),
    matrix("K12", "keys missing", imatrix_gguf(keys=(b.kv("general.type", b.STRING, b.text("imatrix")),)), "imatrix.datasets"),
    unused("K12", "a model instead of a matrix", b.gguf(), "imatrix.datasets"),
    matrix("K12", "chunks a text", imatrix_gguf(keys=(*b.IMATRIX_KEYS[:2], b.kv("imatrix.chunk_count", b.STRING, b.text("3")), b.IMATRIX_KEYS[3])), "is not a u32"),
    unused("K12", "wrong number of columns", imatrix_gguf(sums=(1.0,) * 64, name=Q), "64 importance values"),
    unused("K12", "experts of a dense model", imatrix_gguf(sums=(1.0,) * 64, counts=(1.0,) * 2, name=Q), "64 importance values"),
    unused("K12", "no entry of this model", imatrix_gguf(name="blk.99.attn_q.weight"), "of another model"),
    matrix("K12", "entries of some tensors", imatrix_gguf(name=Q), "no values for", 0),
    matrix("K12", "entries of all tensors", whole(), "wrote", 0),
]  # fmt: skip
