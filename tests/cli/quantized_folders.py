"""The demo model with projections that are stored quantized, in made-up codes: folders to quantize, verify and compare.

Usage: quantized_folders.py METHOD FOLDER [HIDDEN INNER LAYERS]     e.g. gptq /tmp/big 2048 8192 6, to measure with
"""

import json
import pathlib
import random
import shutil
import struct
import sys

DEMO = pathlib.Path(__file__).resolve().parent.parent / "data" / "demo"
SIZES = {"BF16": 2, "F16": 2, "F32": 4, "I32": 4, "U8": 1, "F8_E4M3": 1}


def half(value):
    return struct.pack("<e", value)


def scales(count, low, pack):
    """`count` different scales of about `low`."""
    period = b"".join(pack(low * (1 + i / 100)) for i in range(100))
    return (period * (count // 100 + 1))[: count * len(pack(low))]


def f32(value):
    return struct.pack("<f", value)


def e4m3_codes(rng, count):
    """Any numbers but NaN."""
    return rng.randbytes(count).translate(bytes(code & 0xFE if code & 0x7F == 0x7F else code for code in range(256)))


def fp8(base, rows, cols, rng):
    grid = [-(-rows // 128), -(-cols // 128)]
    yield base + ".weight", "F8_E4M3", [rows, cols], e4m3_codes(rng, rows * cols)
    yield base + ".weight_scale_inv", "F32", grid, scales(grid[0] * grid[1], 1e-4, f32)


def gptq(base, rows, cols, rng):
    groups = cols // 128
    yield base + ".qweight", "I32", [cols // 8, rows], rng.randbytes(cols * rows // 2)
    yield base + ".qzeros", "I32", [groups, rows // 8], b"\x77" * (groups * rows // 2)
    yield base + ".scales", "F16", [groups, rows], scales(groups * rows, 0.004, half)


def awq(base, rows, cols, rng):
    groups = cols // 128
    yield base + ".qweight", "I32", [cols, rows // 8], rng.randbytes(cols * rows // 2)
    yield base + ".qzeros", "I32", [groups, rows // 8], rng.randbytes(groups * rows // 2)
    yield base + ".scales", "F16", [groups, rows], scales(groups * rows, 0.004, half)


def nf4(base, rows, cols, rng):
    state = json.dumps({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [rows, cols]}).encode()
    yield base + ".weight", "U8", [rows * cols // 2, 1], rng.randbytes(rows * cols // 2)
    yield base + ".weight.absmax", "F32", [rows * cols // 64], scales(rows * cols // 64, 0.05, f32)
    yield base + ".weight.quant_state.bitsandbytes__nf4", "U8", [len(state)], state


def nvfp4(base, rows, cols, rng):
    codes = rng.randbytes(rows * cols // 16).translate(bytes(48 + code % 32 for code in range(256)))
    yield base + ".weight", "U8", [rows, cols // 2], rng.randbytes(rows * cols // 2)
    yield base + ".weight_scale", "F8_E4M3", [rows, cols // 16], codes
    yield base + ".weight_scale_2", "F32", [], f32(0.002)
    yield base + ".input_scale", "F32", [], f32(0.01)


def bitnet(base, rows, cols, rng):
    # Fields of two bits, of which 3 has no meaning.
    codes = rng.randbytes(rows * cols // 4).translate(bytes(code & ~(code >> 1 & 0x55) for code in range(256)))
    yield base + ".weight", "U8", [rows // 4, cols], codes
    yield base + ".weight_scale", "BF16", [1], f32(20.0)[2:]


METHODS = {
    "fp8": ({"quant_method": "fp8", "weight_block_size": [128, 128]}, fp8),
    "gptq": ({"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True}, gptq),
    "auto-round": ({"quant_method": "auto-round", "bits": 4, "group_size": 128, "packing_format": "auto_round:auto_gptq"}, gptq),
    "awq": ({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}, awq),
    "nf4": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, nf4),
    "nvfp4": ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, nvfp4),
    "bitnet": ({"quant_method": "bitnet"}, bitnet),
}


def weights(hidden, inner, layers, parts):
    """Name, type, shape and bytes of every tensor."""
    rng = random.Random(1)
    norm = b"\x80\x3f"  # 1
    row = b"".join(struct.pack("<f", rng.uniform(-0.1, 0.1))[2:] for _ in range(hidden))
    yield "model.embed_tokens.weight", "BF16", [2048, hidden], row * 2048
    yield "model.norm.weight", "BF16", [hidden], norm * hidden
    for layer in range(layers):
        start = f"model.layers.{layer}."
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{start}{name}.weight", "BF16", [hidden], norm * hidden
        for name, rows, cols in (
            ("self_attn.q_proj", hidden, hidden), ("self_attn.k_proj", hidden // 2, hidden),
            ("self_attn.v_proj", hidden // 2, hidden), ("self_attn.o_proj", hidden, hidden),
            ("mlp.gate_proj", inner, hidden), ("mlp.up_proj", inner, hidden), ("mlp.down_proj", hidden, inner),
        ):  # fmt: skip
            yield from parts(start + name, rows, cols, rng)


def write_folder(method, folder, hidden=256, inner=512, layers=2):
    """Makes `folder`, with the demo model's tokenizer; returns it."""
    settings, parts = METHODS[method]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(DEMO / name, folder)
    config = json.loads((DEMO / "config.json").read_text())
    config.update(hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, head_dim=hidden // 8)
    config["quantization_config"] = settings
    (folder / "config.json").write_text(json.dumps(config))
    header, offset = {}, 0
    for name, dtype, shape, data in weights(hidden, inner, layers, parts):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, _, _, data in weights(hidden, inner, layers, parts):
            file.write(data)
    return folder


if __name__ == "__main__":
    write_folder(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
