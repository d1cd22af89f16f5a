"""H: headers of safetensors files."""

import json

from bad_bytes import entry, one_tensor, safetensors, u64
from bad_case import INSPECT, MB, PLAN, QUANTIZE, VERIFY, Case

NAME = "x.safetensors"


def refused(id, name, build, piece, **more):
    return Case(id, name, build, NAME, (INSPECT, QUANTIZE), 4, piece, at=NAME, **more)


def unmapped(id, name, build, piece, **more):
    """Sound as safetensors, but nothing a GGUF can hold."""
    return Case(id, name, build, NAME, (PLAN, QUANTIZE), 4, piece, at=NAME, **more)


def accepted(id, name, build, piece="ok", **more):
    return Case(id, name, build, NAME, (QUANTIZE, VERIFY), 0, piece, **more)


def sparse(length, size):
    def build(folder):
        with open(folder / NAME, "wb") as file:
            file.write(u64(length) + b"{")
            file.truncate(size)

    return build


def two(first, second, data=bytes(256)):
    return safetensors({"a.weight": first, "b.weight": second}, data)


def raw(text, data=bytes(128)):
    return safetensors(text, data)


A = '"a.weight":' + json.dumps(entry())
EMPTY = '"a.weight":' + json.dumps(entry((0,)))
SOUND = "{" + A + "}"


def shape(text, size=128):
    return raw('{"a.weight":{"dtype":"F32","shape":%s,"data_offsets":[0,%d]}}' % (text, size))


def offsets(text):
    return raw('{"a.weight":{"dtype":"F32","shape":[1,32],"data_offsets":%s}}' % text)


def many_empty():
    """500,000 tensors without a weight."""
    names = ",".join('"%06d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(500000))
    return raw("{" + names + "}", b"")


CASES = [
    refused("H01", "empty file", b"", "is empty"),
    *(refused("H02", f"{n} bytes", b"\x10\0\0\0\0\0\0"[:n], "too short") for n in (1, 4, 7)),
    refused("H03", "header of no bytes", safetensors("", bytes(16)), "does not start with '{'"),
    refused("H04", "header of one brace", safetensors("{"), "not valid JSON"),
    refused("H05", "length 2^64-1", safetensors(SOUND, bytes(128), 2**64 - 1), "18446744073709551615 bytes is larger"),
    refused("H06", "length 2^63", safetensors(SOUND, bytes(128), 2**63), "9223372036854775808 bytes is larger"),
    refused("H07", "length one over", safetensors(SOUND, b"", len(SOUND) + 1), "does not fit"),
    refused("H08", "length beyond the format's limit", sparse(100_000_001, 200_000_000), "100 MB"),
    refused("H08", "limit's length, all zeros", sparse(100_000_000, 100_000_008), "not valid JSON", memory=400 * MB),
    Case("H09", "no tensors", raw("{}", b""), NAME, (PLAN, QUANTIZE), 4, "holds no tensors", at=NAME),
    refused("H10", "no JSON", raw("{this is none}"), "not valid JSON"),
    refused("H10", "JSON array", raw("[" + SOUND + "]"), "does not start with '{'"),
    refused("H10", "JSON number", raw("12345678"), "does not start with '{'"),
    refused("H11", "space before the brace", raw(" " + SOUND), "does not start with '{'"),
    refused("H11", "byte order mark", raw("\ufeff" + SOUND), "does not start with '{'"),
    accepted("H12", "spaces after the brace", raw(SOUND + " " * 999)),
    refused("H13", "NUL after the brace", raw(SOUND + "\0\0"), "a NUL byte"),
    refused("H13", "text after the brace", raw(SOUND + "{}"), "not valid JSON"),
    refused("H14", "cut in a name", raw(SOUND[:5]), "not valid JSON"),
    refused("H14", "cut before the last brace", raw(SOUND[:-1]), "not valid JSON"),
    refused("H15", "100,000 deep objects", raw('{"a":' * 100000), "unknown key 'a'"),
    refused("H15", "100,000 deep arrays", raw('{"a":{"shape":' + "[" * 100000), "an array in its 'shape'"),
    Case("H16", "500,000 empty tensors", lambda folder: many_empty(), NAME, (INSPECT,), 0, "500000 tensors", memory=500 * MB),
    refused("H17", "name twice, two ranges", raw("{%s,%s}" % (A, A.replace("0, 128", "128, 256")), bytes(256)), "twice"),
    refused("H18", "name twice, one range", raw("{%s,%s}" % (A, A)), "begins at byte 0 of the data"),
    refused("H18", "name twice, no bytes", raw("{%s,%s}" % (EMPTY, EMPTY), b""), "twice"),
    refused("H19", "metadata twice", raw('{"__metadata__":{},"__metadata__":{},%s}' % A), "__metadata__ appears twice"),
    refused("H19", "metadata's key twice", raw('{"__metadata__":{"a":"b","a":"b"},%s}' % A), "has the key 'a' twice"),
    refused("H20", "metadata with a number", raw('{"__metadata__":{"a":1},%s}' % A), "not a string but 1"),
    refused("H20", "metadata is a text", raw('{"__metadata__":"a",%s}' % A), "'__metadata__' is not an object"),
    refused("H21", "name not UTF-8", raw(SOUND.encode().replace(b"a.w", b"a\xffw")), "not valid JSON"),
    refused("H21", "name overlong", raw(SOUND.encode().replace(b"a.w", b"a\xc0\xafw")), "not valid JSON"),
    refused("H21", "name with half a pair", raw(SOUND.replace("a.w", "a\\ud800w")), "not valid JSON"),
    refused("H22", "name empty", raw(SOUND.replace("a.weight", "")), "empty name"),
    unmapped("H22", "name with NUL", raw(SOUND.replace("a.w", "a\\u0000w")), "a NUL byte in its name"),
    unmapped("H22", "name of a megabyte", raw(SOUND.replace("a.w", "a" * 1000000)), "a GGUF name has 1 to 63"),
    accepted("H22", "name of a path", raw(SOUND.replace("a.w", "../..a/w"))),
    accepted("H22", "name with escapes", raw(SOUND.replace("a.w", "a\\u001b[31m\\n\\u007fw"))),
    unmapped("H23", "name of 64 bytes", raw(SOUND.replace("a.weight", "a" * 64)), "a GGUF name has 1 to 63"),
    accepted("H23", "name of 63 bytes", raw(SOUND.replace("a.weight", "a" * 63))),
    *(refused("H24", f"dimension {d}", shape(f"[1,{d}]"), "in its 'shape'") for d in ("-32", "32.0", "3.2e1", '"32"', "null", "true")),
    refused("H25", "dimension 2^63", shape(f"[{2**63}]"), "overflow"),
    *(refused("H25", f"dimension {name}", shape(f"[{d}]"), "in its 'shape'") for name, d in (("2^64", 2**64), ("10^30", 10**30))),
    refused("H26", "product overflows", shape(f"[{2**32},{2**32},1]"), "overflow"),
    refused("H26", "product overflows to the right size", shape(f"[{2**32},{2**32},1]", 0), "overflow"),
    refused("H27", "bytes overflow", raw('{"a":{"dtype":"F64","shape":[%d],"data_offsets":[0,0]}}' % 2**61), "overflow"),
    accepted("H28", "dimension 0", two(entry(), entry((4, 0), 128, 0), bytes(128))),
    accepted("H29", "scalar", two(entry(), entry((), 128, 4), bytes(132))),
    unmapped("H30", "5 dimensions", one_tensor(shape=[1, 1, 1, 1, 32]), "a GGUF tensor has at most 4"),
    refused("H30", "65 dimensions", one_tensor(shape=[1] * 64 + [32]), "more than 64 dimensions"),
    refused("H31", "offsets run backwards", offsets("[128,0]"), "before they begin"),
    refused("H31", "offsets beyond the file", one_tensor(shape=[2, 32], data_offsets=[0, 256]), "the file has 128"),
    refused("H31", "offset negative", offsets("[-1,127]"), "-1 in its 'data_offsets'"),
    refused("H31", "three offsets", offsets("[0,64,128]"), "more than two data_offsets"),
    refused("H31", "one offset", offsets("[0]"), "1 data_offsets, not two"),
    refused("H31", "offsets are a number", offsets("128"), "128 in its 'data_offsets'"),
    refused("H32", "hole between tensors", two(entry(), entry(begin=132), bytes(260)), "(a hole)"),
    refused("H32", "hole before the first", safetensors({"a": entry(begin=128)}, bytes(256)), "(a hole)"),
    refused("H32", "overlap", two(entry(), entry(begin=64)), "(an overlap)"),
    refused("H32", "one range for two", two(entry(), entry(), bytes(128)), "(an overlap)"),
    refused("H33", "fewer bytes than the shape", one_tensor(shape=[1, 33]), "needs 132"),
    refused("H33", "more bytes than the shape", one_tensor(shape=[1, 31]), "needs 124"),
    refused("H34", "an archive after the data", one_tensor() + b"PK\x03\x04" + bytes(100), "belong to none"),
    refused("H34", "a program after the data", one_tensor() + b"\x7fELF", "belong to none"),
    refused("H35", "dtype unknown", one_tensor(dtype="F7"), "unknown dtype 'F7'"),
    refused("H35", "dtype in small letters", one_tensor(dtype="f32"), "unknown dtype 'f32'"),
    refused("H35", "dtype missing", one_tensor(dtype=None), "has no dtype"),
    refused("H35", "dtype a number", one_tensor(dtype=0), "0 in its 'dtype'"),
    refused("H36", "shape missing", one_tensor(shape=None), "has no shape"),
    refused("H36", "offsets missing", one_tensor(data_offsets=None), "has no data_offsets"),
    refused("H36", "key unknown", one_tensor(offset=0), "unknown key 'offset'"),
    accepted("H37", "tensors not in the order of offsets", two(entry(begin=128), entry())),
    accepted("H38", "header of 4 MiB, data at an odd place", raw(SOUND + " " * (4 * MB + 1))),
    *(accepted("H39", f"{t} is copied", two(entry(), entry((4, 8), 128, 32 * size, t), bytes(128 + 32 * size))) for t, size in (("I64", 8), ("I8", 1), ("I16", 2), ("I32", 4))),
    *(unmapped("H39", f"{t} is refused", two(entry(), entry((4, 8), 128, 32 * size, t), bytes(128 + 32 * size)), t) for t, size in (("BOOL", 1), ("U8", 1), ("U16", 2), ("F8_E4M3", 1), ("F8_E5M2", 1), ("F8_E8M0", 1), ("C64", 8))),
    unmapped("H39", "F4 is refused", two(entry(), entry((4, 8), 128, 16, "F4"), bytes(144)), "F4"),
    refused("H39", "half a byte of F4", two(entry(), entry((1, 3), 128, 2, "F4"), bytes(130)), "F4"),
]  # fmt: skip
