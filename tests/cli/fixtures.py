"""Small input files for the command-line tests, made from nothing by the standard library."""

import json
import pathlib
import shutil
import struct

DEMO = pathlib.Path(__file__).resolve().parent.parent / "data" / "demo"


def bf16(value):
    return struct.unpack("<I", struct.pack("<f", value))[0] >> 16


def write_safetensors(path, tensors, metadata=None):
    """tensors: name -> (dtype, shape, bytes). A missing last part of the data is left as a hole in the file."""
    header, offset = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    sizes = {"BF16": 2, "F16": 2, "F32": 4, "I64": 8, "I32": 4, "F8_E4M3": 1}
    for name, (dtype, shape, _) in tensors.items():
        size = sizes[dtype]
        for dim in shape:
            size *= dim
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, data in tensors.values():
            file.write(data)
        file.truncate(8 + len(text) + offset)


def ramp(rows, cols):
    """BF16 bytes of small different values."""
    return b"".join(struct.pack("<H", bf16(((i * 37) % 101 - 50) / 100)) for i in range(rows * cols))


def write_imatrix(path, entries):
    """The legacy form; entries: name -> number of values."""
    data = struct.pack("<i", len(entries))
    for name, count in entries.items():
        data += struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 1, count) + struct.pack("<f", 1.5) * count
    path.write_bytes(data + struct.pack("<ii", 3, 8) + b"text.txt")


def make_all(folder):
    """Everything the cases refer to; returns their names for the {fields} of the tables."""
    folder = pathlib.Path(folder)
    files = {"demo": DEMO, "tmp": folder}

    shutil.copytree(DEMO, folder / "model")
    files["model"] = folder / "model"

    write_safetensors(folder / "plain.safetensors", {"a.weight": ("BF16", [4, 256], ramp(4, 256))})
    files["plain"] = folder / "plain.safetensors"

    spoiled = bytearray(ramp(4, 256))
    spoiled[2 * (2 * 256 + 7) : 2 * (2 * 256 + 7) + 2] = struct.pack("<H", bf16(float("nan")))
    write_safetensors(folder / "nan.safetensors", {"a.weight": ("BF16", [4, 256], bytes(spoiled))})
    files["nan"] = folder / "nan.safetensors"

    whole = files["plain"].read_bytes()
    (folder / "truncated.safetensors").write_bytes(whole[:-10])
    files["truncated"] = folder / "truncated.safetensors"

    (folder / "garbage.safetensors").write_bytes(b"this is not a safetensors file, nor anything else that is known")
    files["garbage"] = folder / "garbage.safetensors"

    evil = {"evil\x1b[31m\nname": ("BF16", [1, 32], ramp(1, 32))}
    write_safetensors(folder / "evil.safetensors", evil, {"note": "\x1b]0;title\x07"})
    files["evil"] = folder / "evil.safetensors"

    (folder / "unknown").mkdir()
    shutil.copy(files["plain"], folder / "unknown" / "model.safetensors")
    (folder / "unknown" / "config.json").write_text(json.dumps({"architectures": ["NoSuchModelForCausalLM"], "model_type": "no"}))
    files["unknown"] = folder / "unknown"

    (folder / "bad.recipe").write_text("attn_v = Q8_0\nthis line has no rule\n")
    files["bad_recipe"] = folder / "bad.recipe"
    (folder / "good.recipe").write_text("# everything that projects down\nffn_down = Q8_0\n")
    files["good_recipe"] = folder / "good.recipe"

    (folder / "words.txt").write_text("Hello world<|end_of_text|>")
    files["words"] = folder / "words.txt"
    prose = " ".join(f"On day {day} the old captain told the boy of {7 * day % 40} ships and a whale." for day in range(60))
    (folder / "prose.txt").write_text(prose)
    files["prose"] = folder / "prose.txt"
    (folder / "prose.jsonl").write_text("".join('{"said": "%s"}\n' % part for part in prose.split(". ")))
    files["lines"] = folder / "prose.jsonl"
    (folder / "latin.txt").write_bytes(b"caf\xe9 au lait")
    files["latin_text"] = folder / "latin.txt"

    write_imatrix(folder / "demo.imatrix", {"blk.0.attn_q.weight": 256, "mm.0.weight": 8})
    files["imatrix"] = folder / "demo.imatrix"
    write_imatrix(folder / "foreign.imatrix", {"blk.99.attn_q.weight": 256})
    files["foreign_imatrix"] = folder / "foreign.imatrix"
    write_imatrix(folder / "evil.imatrix", {"evil\x1b[31m\nname": 4})
    files["evil_imatrix"] = folder / "evil.imatrix"
    entry = struct.pack("<ii", 1, 19) + b"blk.0.attn_q.weight"
    (folder / "cut.dat").write_bytes(entry + struct.pack("<ii", 1, 256) + struct.pack("<f", 1.5) * 255)
    files["cut_imatrix"] = folder / "cut.dat"
    (folder / "nan.dat").write_bytes(entry + struct.pack("<ii", 1, 256) + struct.pack("<f", float("nan")) * 256)
    files["nan_imatrix"] = folder / "nan.dat"
    (folder / "idle.dat").write_bytes(entry + struct.pack("<ii", 0, 256) + struct.pack("<f", 1.5) * 256)
    files["idle_imatrix"] = folder / "idle.dat"
    (folder / "idle.recipe").write_text("attn_v = Q8_0\nself_attn.v_proj = Q8_0\n")
    files["idle_recipe"] = folder / "idle.recipe"

    # 256 Mi weights without a byte on disk: long enough to interrupt.
    write_safetensors(folder / "long.safetensors", {"a.weight": ("F16", [131072, 2048], b"")})
    files["long"] = folder / "long.safetensors"
    return files
