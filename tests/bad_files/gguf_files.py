"""G: GGUF files, to be inspected and to be quantized again."""

import bad_bytes as b
from bad_bytes import ARCH, gguf, kv, record, text, u32, u64
from bad_case import INSPECT, QUANTIZE, Case

NAME = "x.gguf"
JUDGE = "verify {in}"


def refused(id, name, build, piece, **more):
    return Case(id, name, build, NAME, (INSPECT, QUANTIZE), 4, piece, at=NAME, **more)


def damaged(id, name, build, piece):
    """What verify is to find: the artifact is not what it should be."""
    return Case(id, name + ", verified", build, NAME, (JUDGE,), 7, piece, at=NAME)


def accepted(id, name, build, piece, commands=(INSPECT,), **more):
    return Case(id, name, build, NAME, commands, 0, piece, **more)


def of_key(key):
    return gguf((ARCH, key))


def of_record(record, data=bytes(128)):
    return gguf(tensors=[record], data=data)


def long_token(folder):
    """A token of 2^31 bytes, all of it a hole in the file."""
    with open(folder / NAME, "wb") as file:
        head = gguf((ARCH, kv("tokenizer.ggml.tokens", b.ARRAY, b.array(b.STRING, count=1) + u64(2**31))), [], b"")
        file.write(head)
        file.truncate(2**31 + 4096)


def cut(size):
    """A sound file of 16 KiB of weights, cut at `size` bytes."""
    return gguf(tensors=[record(dims=(32, 128))], data=bytes(16384))[:size]


def of_tokens(name, key, piece):
    """Three tokens, and an array beside them that does not fit."""
    return Case("G28", name, gguf((ARCH, TOKENS, key)), NAME, (QUANTIZE,), 4, piece, at=NAME)


def cut_in_key(number):
    """Nine keys with texts of 60 bytes, the file cut in the middle of one text."""
    head = gguf([kv(f"k{i}", b.STRING, text("v" * 60)) for i in range(9)], [], b"")
    return head[: 24 + number * 82 + 52]


def shard(number, count=2, tensors=2, name="llama", extra=()):
    keys = [
        kv("general.architecture", b.STRING, text(name)),
        kv("split.no", b.U16, number.to_bytes(2, "little")),
        kv("split.count", b.U16, count.to_bytes(2, "little")),
        kv("split.tensors.count", b.I32, u32(tensors)),
    ]
    return gguf([*keys, *extra], [record(f"t{number}.weight")])


def split(id, name, files, piece, **more):
    def build(folder):
        for file, data in files.items():
            (folder / file).write_bytes(data)

    first = next(iter(files))
    return Case(id, name, build, first, (INSPECT, QUANTIZE), 4, piece, **more)


FIRST, SECOND = "m-00001-of-00002.gguf", "m-00002-of-00002.gguf"

TOKENS = kv("tokenizer.ggml.tokens", b.ARRAY, b.array(b.STRING, text("a"), text("b"), text("c")))
PAYLOAD = "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ cycler.__init__.__globals__.os.popen('id').read() }}"

CASES = [
    refused("G01", "magic unknown", gguf(magic=b"GGUX"), "does not start with 'GGUF'"),
    refused("G01", "older than GGUF", gguf(magic=b"tjgg"), "GGJT"),
    refused("G01", "four bytes", b"GGUF", "the version"),
    *(refused("G02", f"version {v}", gguf(version=u32(v)), f"has GGUF version {v};") for v in (0, 1, 4)),
    refused("G02", "version 3 of the other byte order", gguf(version=b"\0\0\0\3"), "big-endian"),
    *(refused("G03", f"{n} keys", gguf(key_count=n), f"claims {n} keys") for n in (2**63, 2**64 - 1)),
    refused("G03", "more keys than bytes", gguf(key_count=60000), "claims 60000 items"),
    *(refused("G04", f"{n} tensors", gguf(tensor_count=n), f"claims {n} tensors") for n in (2**63, 2**64 - 1, 2**56)),
    refused("G04", "more tensors than bytes", gguf(tensor_count=1000000), "claims 1000000 items"),
    refused("G05", "key of 2^64-1 bytes", of_key(u64(2**64 - 1) + b"a"), "key 1 has 18446744073709551615 bytes"),
    refused("G05", "key longer than the file", of_key(u64(5000) + b"a"), "claims 5000 bytes"),
    refused("G06", "key empty", of_key(kv("", b.U32, u32(1))), "key 1 is empty"),
    *(refused("G07", f"value type {t}", of_key(kv("k", t, u64(1))), f"unknown value type {t}") for t in (13, 255)),
    refused("G08", "array of arrays", of_key(kv("k", b.ARRAY, b.array(b.ARRAY, b.array(b.U8)))), "'k'"),
    *(refused("G09", f"array of {n} numbers", of_key(kv("k", b.ARRAY, b.array(b.U64, count=n))), f"claims {n} items") for n in (2**61, 2**64 - 1, 0x1D1D1D1D1D1D)),
    refused("G09", "array of 2^61 strings", of_key(kv("k", b.ARRAY, b.array(b.STRING, count=2**61))), "'k'"),
    refused("G10", "string of 2^64-1 bytes", of_key(kv("k", b.STRING, u64(2**64 - 1))), "18446744073709551615 bytes"),
    refused("G10", "string of 2^40 bytes", of_key(kv("k", b.STRING, u64(2**40))), "1099511627776 bytes"),
    refused("G10", "token of 2^31 bytes", long_token, "2147483648 bytes"),
    refused("G11", "key twice", gguf((ARCH, ARCH)), "'general.architecture' appears twice"),
    *(refused("G12", f"alignment {n}", of_key(kv("general.alignment", b.U32, u32(n))), f"general.alignment is {n}") for n in (0, 3, 2**31)),
    refused("G12", "alignment of another integer type", of_key(kv("general.alignment", b.I32, u32(32))), "general.alignment"),
    refused("G12", "alignment a string", of_key(kv("general.alignment", b.STRING, text("32"))), "general.alignment"),
    refused("G13", "tensor name of 64 bytes", of_record(record("a" * 64)), "has 64 bytes, more than the limit of 63"),
    refused("G13", "tensor name of 2^40 bytes", of_record(u64(2**40) + bytes(64)), "has 1099511627776 bytes"),
    refused("G13", "tensor name empty", of_record(record("")), "is empty"),
    refused("G13", "tensor name with NUL", of_record(record("a\0b")), "NUL byte"),
    Case("G13", "tensor name not UTF-8", of_record(record(b"a\xff.weight")), NAME, ("plan {in} --type Q8_0 --tensor-type a=Q8_0", INSPECT), 0, "a\\xff"),
    *(refused("G14", f"{n} dimensions", of_record(record(rank=n)), f"has {n} dimensions") for n in (5, 2**31)),
    accepted("G14", "no dimensions", of_record(record(dims=()), bytes(32)), "a.weight"),
    accepted("G15", "dimension 0", of_record(record(dims=(32, 0)), b""), "a.weight"),
    refused("G16", "dimension -1", of_record(record(dims=(2**64 - 1, 1))), "negative dimension -1"),
    refused("G16", "2^62 weights", of_record(record(dims=(2**62,))), "overflow"),
    refused("G16", "2^128 weights", of_record(record(dims=(2**32,) * 4)), "overflow"),
    refused("G17", "bytes overflow", of_record(record(dims=(2**61, 2))), "overflow"),
    refused("G17", "bytes overflow after the padding", of_record(record(dims=(2**62 - 1,))), "its size overflows"),
    *(refused("G18", f"type {t}", of_record(record(kind=t)), f"type number {t}") for t in (4, 5, 31, 255, 2**32 - 1)),
    refused("G18", "row of no whole block", of_record(record(dims=(33, 1), kind=8)), "33"),
    *(refused("G19", f"offset {n}", of_record(record(offset=n)), "has offset") for n in (32, -32, 1)),
    refused("G20", "tensor twice", gguf(tensors=[record(), record(offset=128)], data=bytes(256)), "a.weight"),
    refused("G21", "overlap", gguf(tensors=[record("a"), record("b", offset=64)], data=bytes(256)), "the tensors before it end at 128"),
    *(refused("G22", f"cut at {n} bytes", cut(n), piece) for n, piece in ((20, "keys"), (50, "left"), (4096, "the file has 4096"), (8192, "the file has 8192"), (12288, "the file has 12288"), (16383, "the file has 16383"))),
    damaged("G22", "cut", cut(8192), "the file has 8192"),
    accepted("G23", "bytes after the last tensor", gguf() + b"PK\x03\x04" + bytes(60), "64 bytes follow the last tensor"),
    split("G24", "shard number beyond the count", {FIRST: shard(7), SECOND: shard(1)}, "split.no is 7 but split.count is 2", at=FIRST),
    split("G24", "65,536 shards", {FIRST: gguf((ARCH, kv("split.count", b.U32, u32(65536))))}, "split.count is 65536", at=FIRST),
    split("G24", "shard number negative", {FIRST: gguf((ARCH, kv("split.no", b.I32, u32(-1)), kv("split.count", b.I32, u32(2))))}, "split.no is not a non-negative", at=FIRST),
    split("G24", "second shard twice", {FIRST: shard(0), SECOND: shard(0)}, "says that it is shard 1", at=SECOND),
    split("G25", "second shard of another model", {FIRST: shard(0), SECOND: shard(1, name="gemma")}, "'general.architecture' differs", at=SECOND),
    split("G25", "second shard of a larger set", {FIRST: shard(0), SECOND: shard(1, 3)}, "says that there are 3 shards", at=SECOND),
    split("G25", "fewer tensors than promised", {FIRST: shard(0, tensors=9), SECOND: shard(1)}, "split.tensors.count is 9", at=FIRST),
    Case("G25", "second shard missing", shard(0), FIRST, (INSPECT, QUANTIZE), 3, "1 of 2 shards are missing: " + SECOND, at=FIRST),
    *(refused("G26", f"end in key {k}", cut_in_key(k), f"'k{k}'") for k in (2, 4, 8)),
    accepted("G27", "template with a payload", gguf((ARCH, kv("tokenizer.chat_template", b.STRING, text(PAYLOAD)))), "__subclasses__", (INSPECT, QUANTIZE)),
    refused("G28", "array of bytes one short", of_key(kv("tokenizer.ggml.token_type", b.ARRAY, b.array(b.U8, count=2**20))), "claims 1048576 bytes"),
    *(of_tokens(f"{key} {what}", kv("tokenizer.ggml." + key, b.ARRAY, array), piece) for key, what, array, piece in (
        ("token_type", "of bytes", b.array(b.U8, b"\1", b"\1", b"\1"), "is an array of u8, not of i32"),
        ("scores", "of bytes", b.array(b.U8, b"\1", b"\1", b"\1"), "is an array of u8, not of f32"),
        ("token_type", "too short", b.array(b.I32, u32(1)), "has 1 elements for 3 tokens"),
        ("scores", "too long", b.array(b.F32, *[u32(0)] * 4), "has 4 elements for 3 tokens"),
    )),
    Case("G28", "tokens a number", of_key(kv("tokenizer.ggml.tokens", b.U32, u32(3))), NAME, (QUANTIZE,), 4, "is not an array", at=NAME),
    *(Case("G30", f"{name}, quantized", gguf((ARCH, kv("general.type", b.STRING, text(kind)))), NAME, (QUANTIZE,), 4, piece, at=NAME) for name, kind, piece in (
        ("LoRA adapter", "adapter", "is a LoRA adapter"),
        ("projector", "mmproj", "is a multimodal projector"),
    )),
    accepted("G29", "byte tokens that are none", gguf((ARCH, kv("tokenizer.ggml.tokens", b.ARRAY, b.array(b.STRING, text("<0x-1>"), text("<0xZZ>"))))), "<0xZZ>"),
    accepted("G30", "special id beyond the tokens", gguf((ARCH, TOKENS, kv("tokenizer.ggml.bos_token_id", b.U32, u32(2**31 - 1)))), "2147483647"),
]  # fmt: skip
