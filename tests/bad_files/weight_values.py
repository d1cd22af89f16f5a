"""N: what the numbers in a tensor can be."""

import struct

import fixtures
from bad_bytes import imatrix, imatrix_entry
from bad_case import Case

NAME = "x.safetensors"
ROWS, COLS = 2, 256
FORMATS = {"F32": "<f", "F16": "<e"}


def pack(values, dtype):
    """Numbers of the type. BF16 is cut, so that a NaN must have a high bit of its own."""
    if dtype == "BF16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return b"".join(struct.pack(FORMATS[dtype], value) for value in values)


def weights(values, dtype="F32", shape=(ROWS, COLS), name="a.weight"):
    """One tensor, the values repeated over it."""
    count = 1
    for dim in shape:
        count *= dim
    data = pack((list(values) * (count // len(values) + 1))[:count], dtype) if count else b""

    def build(folder):
        fixtures.write_safetensors(folder / NAME, {name: (dtype, list(shape), data)})

    return build


def one_bad(value, place, dtype="F32"):
    values = [0.25, -0.5] * (ROWS * COLS // 2)
    values[place] = value
    return weights(values, dtype)


def commands(types):
    return tuple(f"quantize {{in}} --type {t} --threads 2 -o {{folder}}/out/{t}.gguf" for t in types)


def numeric(id, name, build, piece, types=("Q8_0", "Q4_K", "Q4_0")):
    """No type takes it; nothing is written."""
    return Case(id, name, build, NAME, commands(types), 6, piece, at="a.weight")


ALL = ("Q8_0", "Q4_0", "Q5_1", "IQ4_NL", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4_MOE", "Q1_0", "Q2_0", "IQ3_S")


def finite(id, name, build, piece="ok", types=ALL, more=""):
    """Every type takes it, and what is written is finite and as close to the weights as usual.
    Weights at the ends of a type's range and columns without importance lose more, as they do in llama.cpp."""
    against = " --source {in}" + more
    check = tuple(f"verify {{folder}}/out/{t}.gguf" + against for t in types)
    return Case(id, name, build, NAME, tuple(c + more for c in commands(types)) + check, 0, piece)


def with_matrix(values):
    def build(folder):
        weights([0.25, -0.5, 0.125])(folder)
        (folder / "m.dat").write_bytes(imatrix(imatrix_entry(values=values)))

    return build


IMATRIX = " --imatrix {folder}/m.dat"
NAN, INF = float("nan"), float("inf")

CASES = [
    *(numeric("N01", f"{value} in {dtype} at {place}", one_bad(value, place, dtype), f"{place // COLS}, {place % COLS}", ("Q8_0",)) for dtype in ("BF16", "F16", "F32") for value in (NAN, INF, -INF) for place in (0, 261, ROWS * COLS - 1)),
    *(numeric("N01", f"NaN in lane {lane}", one_bad(NAN, 256 + lane), f"1, {lane}", ("Q8_0",)) for lane in range(1, 17)),
    numeric("N02", "all NaN", weights([NAN]), "a.weight"),
    finite("N03", "all zero", weights([0.0])),
    finite("N03", "one that is not zero", one_bad(0.5, 300)),
    finite("N03", "all equal", weights([0.75])),
    finite("N03", "largest halves, alternating", weights([65504.0, -65504.0])),
    *(finite("N04", f"{value} in {dtype}", weights([value, -value, 1.0], dtype), types=("F32", "BF16") if dtype != "F16" else ("F16", "F32")) for value, dtype in ((1e38, "F32"), (65520.0, "F32"), (65504.0, "F16"), (1e38, "BF16"))),
    numeric("N04", "1e38 in blocks", weights([1e38, -1e38, 1.0]), "a.weight", ALL),
    numeric("N04", "1e9 in blocks", weights([1e9, -1e9, 1.0]), "a.weight", ("Q8_0", "F16")),
    finite("N05", "subnormals", weights([1e-45, -1e-45, 1e-40])),
    finite("N05", "1e-30 and 1e4", weights([1e-30, 1e4])),
    finite("N06", "minus zero", weights([-0.0])),
    *(finite("N07", f"{cols} columns", weights([0.25, -0.5, 0.125], shape=(3, cols)), types=("Q8_0", "Q4_K", "Q2_K", "IQ4_XS")) for cols in (1, 31, 32, 33, 255, 256, 257, 100352)),
    finite("N09", "one a thousand times the others", one_bad(500.0, 300)),
    finite("N10", "importance zero for some columns", with_matrix((0.0,) * 16 + (1.0,) * 240), more=IMATRIX),
    finite("N10", "importance zero for all", with_matrix((0.0,) * 256), "1 entries have no data", more=IMATRIX),
    finite("N10", "importance 1e-38", with_matrix((1e-38,) * 256), "1 entries have no data", more=IMATRIX),
    *(Case("N10", f"importance {value}", with_matrix((1.0, value) * 128), NAME, tuple(c + IMATRIX for c in commands(ALL)), 4, f"has the importance {value} at position 1", at="m.dat") for value in (1e30, 1e38)),
]  # fmt: skip
