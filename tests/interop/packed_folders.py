"""Reads folders of GPTQ, AWQ and compressed-tensors with numpy alone, bit by bit as their formats are described, and states
what vLLM asks of them."""

import json
import pathlib

import numpy
from safetensors.numpy import load_file


def dense_codes(words, count, bits):
    """The first `count` codes of a little-endian stream in 32-bit words along the last axis."""
    stream = numpy.unpackbits(words.astype("<u4").view(numpy.uint8).reshape(*words.shape[:-1], -1), axis=-1, bitorder="little")
    stream = stream[..., : count * bits].reshape(*words.shape[:-1], count, bits)
    return (stream.astype(numpy.int64) << numpy.arange(bits)).sum(axis=-1)


def load_folder(folder):
    """All tensors of all files, bfloat16 as float32."""
    tensors = {}
    for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
        try:
            tensors.update(load_file(path))
        except (KeyError, TypeError):  # numpy has no bfloat16
            tensors.update(load_with_bfloat16(path))
    return tensors


def load_with_bfloat16(path):
    data = pathlib.Path(path).read_bytes()
    length = int.from_bytes(data[:8], "little")
    types = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I32": "<i4", "I64": "<i8", "U8": "u1"}
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = numpy.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(entry["shape"])
        if entry["dtype"] == "BF16":
            values = (values.astype("<u4") << 16).view("<f4")
        tensors[name] = values
    return tensors


def settings_of(folder):
    return json.loads((pathlib.Path(folder) / "config.json").read_text())["quantization_config"]


def modules_of(tensors, suffix):
    return sorted(name[: -len(suffix)] for name in tensors if name.endswith(suffix))


def gptq_weights(tensors, settings):
    """Module -> float32 [outputs, inputs], by scales * (codes - zeros)."""
    bits, more = settings["bits"], int(settings["checkpoint_format"] == "gptq")
    for name in modules_of(tensors, ".qweight"):
        scales, groups = tensors[name + ".scales"].astype(numpy.float32), tensors[name + ".g_idx"]
        codes = dense_codes(tensors[name + ".qweight"].T.copy(), len(groups), bits)
        zeros = dense_codes(tensors[name + ".qzeros"], scales.shape[1], bits) + more
        yield name, (scales[groups] * (codes.T - zeros[groups]).astype(numpy.float32)).T


AWQ_ORDER = [0, 4, 1, 5, 2, 6, 3, 7]  # where output 0, 1, 2 ... of a word is, counted from its lowest bits


def awq_codes(words):
    codes = dense_codes(words, words.shape[-1] * 8, 4).reshape(*words.shape, 8)
    return codes[..., AWQ_ORDER].reshape(*words.shape[:-1], -1)


def awq_weights(tensors, settings):
    for name in modules_of(tensors, ".qweight"):
        scales = tensors[name + ".scales"].astype(numpy.float32)
        codes, zeros = awq_codes(tensors[name + ".qweight"]), awq_codes(tensors[name + ".qzeros"])
        groups = numpy.arange(codes.shape[0]) // (codes.shape[0] // scales.shape[0])
        yield name, (scales[groups] * (codes - zeros[groups]).astype(numpy.float32)).T


def scheme_of(name, settings):
    groups = list(settings["config_groups"].values())
    exact = [group for group in groups if name in group["targets"]]
    return (exact or groups)[0]["weights"]


def compressed_weights(tensors, settings):
    for name in modules_of(tensors, ".weight_packed"):
        scheme = scheme_of(name, settings)
        rows, cols = (int(size) for size in tensors[name + ".weight_shape"])
        scales = tensors[name + ".weight_scale"].astype(numpy.float32)
        codes = dense_codes(tensors[name + ".weight_packed"], cols, scheme["num_bits"])
        zeros = numpy.full(scales.shape, 1 << (scheme["num_bits"] - 1))
        if not scheme["symmetric"]:
            zeros = dense_codes(tensors[name + ".weight_zero_point"].T.copy(), rows, scheme["num_bits"]).T
        groups = numpy.arange(cols) // (cols // scales.shape[1])
        yield name, scales[:, groups] * (codes - zeros[:, groups]).astype(numpy.float32)


READERS = {"gptq": gptq_weights, "awq": awq_weights, "compressed-tensors": compressed_weights}


def weights_of(folder):
    settings = settings_of(folder)
    return dict(READERS[settings["quant_method"]](load_folder(folder), settings))


def merged_in_vllm(names):
    """Names of modules that vLLM multiplies with as one, those that are there."""
    for parts in (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj")):
        for name in names:
            if name.endswith(parts[0]):
                base = name[: -len(parts[0])]
                yield [base + part for part in parts if base + part in names]


def refusals_of_vllm(folder):
    """Why vLLM's loaders (auto_gptq.py, auto_awq.py, compressed_tensors) would not take the folder, empty if they would."""
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    settings, tensors = config["quantization_config"], load_folder(folder)
    found = []

    def require(condition, text):
        if not condition:
            found.append(text)

    method = settings["quant_method"]
    if method in ("gptq", "awq"):
        keys = ("bits", "group_size", "desc_act", "sym") if method == "gptq" else ("bits", "group_size", "zero_point")
        for key in keys:
            require(key in settings, f"{key} is missing")
        allowed = [(4, True), (8, True)] if method == "gptq" else [(4, True), (4, False)]
        symmetric = settings["sym"] if method == "gptq" else not settings["zero_point"]
        if (settings["bits"], symmetric) not in allowed:
            return [*found, "Unsupported quantization config"]
        pack = 32 // settings["bits"]
        for name in modules_of(tensors, ".qweight"):
            words, scales, zeros = (tensors[f"{name}.{part}"] for part in ("qweight", "scales", "qzeros"))
            inputs = words.shape[0] * (pack if method == "gptq" else 1)
            outputs = words.shape[1] * (1 if method == "gptq" else pack)
            size = inputs if settings["group_size"] == -1 else settings["group_size"]
            require(inputs % size == 0, f"{name}: the input size is not aligned with the group size")
            require(outputs % pack == 0, f"{name}: the output size is not aligned with the pack factor")
            require(scales.shape == (inputs // size, outputs), f"{name}: scales {scales.shape}")
            require(zeros.shape == (inputs // size, outputs // pack), f"{name}: qzeros {zeros.shape}")
            require(scales.dtype == numpy.float16 and words.dtype == zeros.dtype == numpy.int32, f"{name}: types")
            require(name + ".weight" not in tensors, f"{name}: stored twice")
            if method == "gptq" and not settings["desc_act"]:
                require((tensors[name + ".g_idx"] == numpy.arange(inputs) // size).all(), f"{name}: g_idx is not sequential")
        quantized = set(modules_of(tensors, ".qweight"))
    else:
        require(settings["format"] == "pack-quantized", "format")
        for name in modules_of(tensors, ".weight_packed"):
            scheme = scheme_of(name, settings)
            require(scheme["num_bits"] in (4, 8), f"{name}: {scheme['num_bits']} bits")
            rows, cols = (int(size) for size in tensors[name + ".weight_shape"])
            size = scheme["group_size"] if scheme["strategy"] == "group" else cols
            require(cols % size == 0, f"{name}: groups")
            require(tensors[name + ".weight_packed"].shape == (rows, cols * scheme["num_bits"] // 32), f"{name}: shape")
            require(tensors[name + ".weight_scale"].shape == (rows, cols // size), f"{name}: scales")
        quantized = set(modules_of(tensors, ".weight_packed"))
    whole = set(modules_of(tensors, ".weight")) | quantized
    for parts in merged_in_vllm(whole):
        require(len({part in quantized for part in parts}) == 1, f"some but not all shards of {parts} are quantized")
    require(quantized, "nothing is quantized")
    return found
