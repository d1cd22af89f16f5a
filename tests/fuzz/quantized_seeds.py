#!/usr/bin/env python3
"""Writes a sound input of tests/fuzz/fuzz_quantized.cpp for every way in which weights are stored quantized.

Usage: quantized_seeds.py FOLDER     writes FOLDER/NAME.quantized
"""

import json
import pathlib
import random
import struct
import sys

SIZES = {"I8": 1, "U8": 1, "F8_E4M3": 1, "F8_E8M0": 1, "F16": 2, "BF16": 2, "I32": 4, "F32": 4, "I64": 8}


def count_of(shape):
    count = 1
    for size in shape:
        count *= size
    return count


def values(dtype, shape):
    """Bytes that are small, finite numbers in floating-point types, and anything in others."""
    rng = random.Random(str((dtype, shape)))
    count = count_of(shape)
    if dtype == "F32":
        return struct.pack(f"<{count}f", *(rng.uniform(0.01, 2) for _ in range(count)))
    if dtype == "F16":
        return struct.pack(f"<{count}e", *(rng.uniform(0.01, 2) for _ in range(count)))
    if dtype == "BF16":
        return b"".join(struct.pack("<f", rng.uniform(0.01, 2))[2:] for _ in range(count))
    if dtype == "F8_E4M3":
        return bytes(rng.randrange(0x30, 0x50) for _ in range(count))
    if dtype == "F8_E8M0":
        return bytes(rng.randrange(118, 124) for _ in range(count))
    return bytes(rng.randrange(256) for _ in range(count * SIZES[dtype]))


def safetensors(tensors):
    header, data = {}, b""
    for name, (dtype, shape, *given) in tensors.items():
        content = given[0] if given else values(dtype, shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def integers(dtype, numbers):
    code = {"I32": "i", "I64": "q"}[dtype]
    return struct.pack(f"<{len(numbers)}{code}", *numbers)


def nf4():
    state = json.dumps({"quant_type": "nf4", "blocksize": 8, "shape": [3, 6], "nested_blocksize": 4, "nested_offset": 0.1})
    return {
        "w.weight": ["U8", [9, 1]],
        "w.weight.absmax": ["U8", [3]],
        "w.weight.nested_absmax": ["F32", [1]],
        "w.weight.nested_quant_map": ["F32", [256]],
        "w.weight.quant_state.bitsandbytes__nf4": ["U8", [len(state)], state.encode()],
    }


GPTQ = {"w.qweight": ["I32", [4, 32]], "w.qzeros": ["I32", [2, 4]], "w.scales": ["F16", [2, 32]]}
AWQ = {"w.qweight": ["I32", [16, 4]], "w.qzeros": ["I32", [2, 4]], "w.scales": ["F16", [2, 32]]}
NVFP4 = {
    "w.weight": ["U8", [4, 32]], "w.weight_scale": ["F8_E4M3", [4, 4]], "w.weight_scale_2": ["F32", []],
    "w.input_scale": ["F32", []],
}  # fmt: skip
PACKED = {
    "w.weight_packed": ["I32", [2, 1]], "w.weight_shape": ["I64", [2], integers("I64", [2, 8])],
    "w.weight_scale": ["F32", [2, 2]], "w.weight_zero_point": ["I32", [1, 2]],
}  # fmt: skip
GROUPS = {"group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 4}}}

SEEDS = {
    "fp8-blocks": [
        {"quant_method": "fp8", "weight_block_size": [2, 2]},
        {"w.weight": ["F8_E4M3", [3, 3]], "w.weight_scale_inv": ["F32", [2, 2]]},
    ],
    "fbgemm": [{"quant_method": "fbgemm_fp8"}, {"w.weight": ["F8_E4M3", [3, 4]], "w.weight_scale": ["F32", [3, 1]]}],
    "int8": [
        {"quant_method": "compressed-tensors", "format": "int-quantized"},
        {"w.weight": ["I8", [2, 2]], "w.weight_scale": ["BF16", [2, 1]]},
    ],
    "packed": [{"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": GROUPS}, PACKED],
    "nvfp4": [{"quant_method": "modelopt"}, NVFP4],
    "nvfp4-packed": [
        {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"},
        {
            "w.weight_packed": ["U8", [4, 32]], "w.weight_scale": ["F8_E4M3", [4, 4]],
            "w.weight_global_scale": ["F32", [1]], "w.input_global_scale": ["F32", [1]],
        },
    ],
    "mxfp4": [{"quant_method": "mxfp4"}, {"e_blocks": ["U8", [2, 3, 2, 16]], "e_scales": ["U8", [2, 3, 2]]}],
    "gptq": [
        {"quant_method": "gptq", "bits": 4, "group_size": 16, "sym": True},
        GPTQ | {"w.g_idx": ["I32", [32], integers("I32", [i % 2 for i in range(32)])]},
    ],
    "gptq-3": [
        {"quant_method": "gptq", "bits": 3, "group_size": -1, "checkpoint_format": "gptq_v2"},
        {"w.qweight": ["I32", [3, 32]], "w.qzeros": ["I32", [1, 3]], "w.scales": ["F16", [1, 32]]},
    ],
    "auto-round": [
        {"quant_method": "auto-round", "bits": 8, "group_size": 16, "packing_format": "auto_round:gptqmodel",
         "extra_config": {"w": {"bits": 4}}},
        GPTQ,
    ],
    "awq": [{"quant_method": "awq", "bits": 4, "group_size": 8}, AWQ],
    "awq-gemv": [
        {"quant_method": "awq", "bits": 4, "group_size": 8, "version": "gemv"},
        {"w.qweight": ["I32", [16, 4]], "w.qzeros": ["I32", [16, 1]], "w.scales": ["F16", [16, 8]]},
    ],
    "nf4": [{"quant_method": "bitsandbytes"}, nf4()],
    "llm-int8": [
        {"quant_method": "bitsandbytes"},
        {"w.weight": ["I8", [3, 5]], "w.SCB": ["F32", [3]], "w.weight_format": ["U8", [], b"\0"]},
    ],
    "bitnet": [{"quant_method": "bitnet"}, {"w.weight": ["U8", [2, 8]], "w.weight_scale": ["F32", [1]]}],
    "bitnet-online": [
        {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"},
        {"model.layers.0.mlp.up_proj.weight": ["BF16", [4, 8]]},
    ],
}  # fmt: skip


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, (settings, tensors) in SEEDS.items():
        (folder / f"{name}.quantized").write_bytes(json.dumps(settings).encode() + b"\n" + safetensors(tensors))


if __name__ == "__main__":
    main()
