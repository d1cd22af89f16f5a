"""C: folders of models, their indexes and configurations."""

import os
import socket

import fixtures
import tiny_model
from bad_case import MB, PLAN, QUANTIZE, VERIFY, Case
from tiny_model import CONFIG, HIDDEN, MOE, TOKENIZER, TOKENIZER_CONFIG, config, folder, sharded

INDEX = "model.safetensors.index.json"
FIRST = "model-00001-of-00002.safetensors"
SECOND = "model-00002-of-00002.safetensors"


def refused(id, name, build, piece, code=4, **more):
    return Case(id, name, build, "model", (PLAN, QUANTIZE), code, piece, **more)


def accepted(id, name, build, piece, commands=(QUANTIZE, VERIFY), **more):
    return Case(id, name, build, "model", commands, 0, piece, **more)


def of_config(id, name, changes, piece, **more):
    return refused(id, name, folder(config_json=config(**changes)), piece, at="config.json", **more)


def of_map(id, name, change, piece, code=4, **more):
    return refused(id, name, sharded(change), piece, code, **more)


def moved(first_tensor, to):
    """The index says that a tensor is in another file."""
    return lambda weight_map, model: weight_map.update({first_tensor: to})


EMBEDDING = "model.embed_tokens.weight"
QUERY = "model.layers.0.self_attn.q_proj."
GPTQ = {
    "qweight": ("I32", [HIDDEN // 8, HIDDEN], bytes(HIDDEN * HIDDEN // 2)),
    "qzeros": ("I32", [1, HIDDEN // 8], bytes(HIDDEN // 2)),
    "scales": ("F16", [1, HIDDEN], bytes(2 * HIDDEN)),
}


def quantized(method, parts, **settings):
    """One matrix is stored as `parts`, by name after that of its module."""
    weights = {**tiny_model.tensors(), **{QUERY + name: part for name, part in parts.items()}}
    if "weight" not in parts:
        del weights[QUERY + "weight"]
    return folder(weights, config_json=config(quantization_config={"quant_method": method, **settings}))



def shard_replaced(make):
    """The second shard is something else."""

    def change(weight_map, model):
        path = model / SECOND
        os.rename(path, model.parent / "elsewhere")
        make(path)

    return change


def write(data):
    return lambda path: path.write_bytes(data)


def bind(path):
    """A socket's name is at most 108 bytes long, so it is bound from its folder."""
    here = os.getcwd()
    os.chdir(path.parent)
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def link_folder(place):
    folder()(place)
    os.rename(place / "model", place / "real")
    os.symlink("real", place / "model")


def hub_cache(place):
    """Shards as the hub's cache has them: links into a folder of blobs."""
    folder()(place)
    os.makedirs(place / "cache" / "snapshots")
    os.makedirs(place / "cache" / "blobs")
    os.rename(place / "model", place / "cache" / "snapshots" / "1")
    weights = place / "cache" / "snapshots" / "1" / "model.safetensors"
    os.rename(weights, place / "cache" / "blobs" / "f00d")
    os.symlink("../../blobs/f00d", weights)
    os.symlink("cache/snapshots/1", place / "model")


def only(name, data=b"\x80\x02\x8a"):
    def build(place):
        folder()(place)
        (place / "model" / "model.safetensors").unlink()
        (place / "model" / name).write_bytes(data)

    return build


def both(place):
    sharded(lambda weight_map, model: None)(place)
    fixtures.write_safetensors(place / "model" / "model.safetensors", {"a.weight": ("BF16", [1, 32], fixtures.ramp(1, 32))})


def big_index(place):
    sharded("{")(place)
    with open(place / "model" / INDEX, "r+b") as file:
        file.truncate(1 << 30)


def experts(count, without=()):
    return folder(tiny_model.tensors(experts=count), without, config_json=MOE)


def renamed_expert(place):
    tensors = tiny_model.tensors(experts=2)
    tensors["model.layers.0.block_sparse_moe.experts.1000000000.w1.weight"] = tensors[
        "model.layers.0.block_sparse_moe.experts.0.w1.weight"
    ]
    folder(tensors, config_json=MOE)(place)


def odd_name(name):
    def build(place):
        folder()(place)
        os.rename(place / "model", place / name)

    return build


def unreadable(place):
    folder()(place)
    os.chmod(place / "model" / "model.safetensors", 0)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4594232\n"
TEMPLATE = "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ cycler.__init__.__globals__.os }}"


def template(value):
    return folder(tokenizer_config_json={**TOKENIZER_CONFIG, "chat_template": value})


CASES = [
    accepted("C01", "nothing wrong", folder(), "ok"),
    accepted("C01", "nothing wrong, in shards", sharded(lambda weight_map, model: None), "ok"),
    of_map("C01", "shard missing", moved(EMBEDDING, "gone.safetensors"), "1 of 3 shards are missing: gone.safetensors", 3, at=INDEX),
    of_map("C02", "tensor not in its shard", moved("model.nothing", FIRST), "'model.nothing'", at=INDEX),
    of_map("C02", "tensor not in the index", lambda weight_map, model: weight_map.pop(EMBEDDING), EMBEDDING, at=INDEX),
    of_map("C02", "tensor in the other shard", moved(EMBEDDING, SECOND), "not listed there: '" + EMBEDDING, at=INDEX),
    of_map("C03", "tensor in both shards", shard_replaced(lambda path: fixtures.write_safetensors(path, tiny_model.tensors())), EMBEDDING),
    *(of_map("C04", f"shard named {name!r}", moved(EMBEDDING, name), "a shard name must be a plain file name", at=INDEX) for name in ("../x.safetensors", "/etc/passwd", "a/b", "a\\b", "C:x", "", ".", "..", "a\0b", "a\nb")),
    accepted("C05", "shard a link out of the folder", sharded(shard_replaced(lambda path: os.symlink("../elsewhere", path))), "outside the model's folder"),
    accepted("C05", "shard a link to the hub's blobs", hub_cache, "ok"),
    of_map("C05", "shard a link to itself", shard_replaced(lambda path: os.symlink(SECOND, path)), "1 of 2 shards are missing", 3, at=SECOND),
    of_map("C05", "shard a link to nothing", shard_replaced(lambda path: os.symlink("nothing", path)), "1 of 2 shards are missing", 3, at=SECOND),
    accepted("C06", "folder a link", link_folder, "ok"),
    *(of_map("C07", f"shard {what}", shard_replaced(make), "not a regular file", at=SECOND) for what, make in (("a folder", os.mkdir), ("a pipe", os.mkfifo), ("/dev/zero", lambda path: os.symlink("/dev/zero", path)))),
    of_map("C07", "shard a socket", shard_replaced(bind), "cannot open", 3, at=SECOND),
    refused("C08", "index of a gigabyte", big_index, "larger than the limit", at=INDEX),
    refused("C08", "index 100,000 deep", sharded('{"a":' * 100000), "nested deeper than 64", at=INDEX),
    refused("C08", "index an array", sharded("[]"), "does not start with '{'", at=INDEX),
    refused("C08", "index empty", sharded(""), "does not start with '{'", at=INDEX),
    refused("C08", "map an array", sharded('{"weight_map":[]}'), "weight_map is not an object but an array", at=INDEX),
    refused("C08", "map missing", sharded("{}"), "has no weight_map", at=INDEX),
    refused("C08", "map empty", sharded('{"weight_map":{}}'), "weight_map is empty", at=INDEX),
    refused("C08", "map of numbers", sharded('{"weight_map":{"a":1}}'), "gives a number", at=INDEX),
    refused("C08", "tensor twice", sharded('{"weight_map":{"a":"b","a":"b"}}'), "'a' twice", at=INDEX),
    accepted("C09", "size of the index wrong", sharded(lambda weight_map, model: None, total=1), "total_size says 1 bytes"),
    accepted("C10", "index and model.safetensors", both, "the index is used"),
    of_map("C11", "shard a pointer of Git LFS", shard_replaced(write(LFS)), "Git LFS pointer", at=SECOND),
    refused("C11", "config.json a pointer of Git LFS", folder(config_json=LFS), "is a Git LFS pointer", at="config.json"),
    refused("C11", "tokenizer.json a pointer of Git LFS", folder(tokenizer_json=LFS), "is a Git LFS pointer", at="tokenizer.json"),
    of_map("C12", "shard a page", shard_replaced(write(b"<!DOCTYPE html><html>404</html>")), "HTML", at=SECOND),
    of_map("C12", "shard compressed", shard_replaced(write(b"\x1f\x8b\x08" + bytes(99))), "gzip", at=SECOND),
    refused("C12", "download not finished", only("model.safetensors.incomplete"), "a download has not finished", 3, at="model"),
    *(refused("C13", f"only {name}", only(name), "pickle", at="model") for name in ("pytorch_model.bin", "model.pt", "model.ckpt")),
    refused("C13", "only a GGUF", only("model.gguf", b"GGUF"), "give the .gguf file itself", at="model"),
    refused("C14", "configuration missing", folder(config_json=None), "config.json is missing", 3, at="model"),
    refused("C14", "configuration empty", folder(config_json=""), "not valid JSON", at="config.json"),
    refused("C14", "configuration an array", folder(config_json="[]"), "is a JSON array, not an object", at="config.json"),
    of_config("C14", "no class", {"architectures": None}, "no class is named"),
    of_config("C14", "list of classes empty", {"architectures": []}, "no class is named"),
    of_config("C14", "class a number", {"architectures": [7]}, "is not a list of class names"),
    of_config("C14", "class unknown", {"architectures": ["LlamaForCausalLN"]}, "LlamaForCausalLN"),
    accepted("C15", "NaN in the configuration", folder(config_json='{"x": NaN, "y": [-Infinity], ' + tiny_model.stored(CONFIG).decode()[1:]), "read as null"),
    of_config("C15", "NaN where a number is needed", {"rms_norm_eps": float("nan")}, "rms_norm_eps"),
    *(of_config("C15", f"rotary base {value}", {"rope_theta": value}, "'rope_theta' is not positive") for value in (0, -10000.0)),
    of_config("C16", "no layers", {"num_hidden_layers": 0}, "'num_hidden_layers' is 0"),
    *(of_config("C16", f"{value!r} layers", {"num_hidden_layers": value}, "'num_hidden_layers' is not a whole number") for value in (-1, 2**31, 2.5, "2", [2])),
    of_config("C16", "2^31-1 layers", {"num_hidden_layers": 2**31 - 1}, "'num_hidden_layers' is 2147483647"),
    refused("C16", "more layers than tensors", folder(config_json=config(num_hidden_layers=3)), "tensors are missing: 'model.layers.2."),
    refused("C16", "fewer layers than tensors", folder(config_json=config(num_hidden_layers=1)), "the weights have a layer 1"),
    of_config("C17", "heads that do not divide", {"num_attention_heads": 3}, "does not divide"),
    of_config("C17", "no heads", {"num_attention_heads": 0}, "'num_attention_heads' is 0"),
    of_config("C17", "no key heads", {"num_key_value_heads": 0}, "'num_key_value_heads' is 0"),
    of_config("C17", "more key heads than heads", {"num_key_value_heads": 4}, "does not divide the 2"),
    of_config("C17", "head of no width", {"head_dim": 0}, "'head_dim' is 0"),
    of_config("C17", "head of odd width", {"head_dim": 15}, "'head_dim' is odd"),
    of_config("C17", "head of another width", {"head_dim": 8}, "does not divide into 2 heads"),
    of_config("C17", "hidden size of another width", {"hidden_size": 64}, "does not divide into 2 heads"),
    accepted("C18", "experts, nothing wrong", experts(2), "ok"),
    refused("C18", "more experts than said", experts(3), "layer 0 has an expert 2"),
    refused("C18", "fewer experts than said", experts(1), "layer 0 lacks experts 1"),
    refused("C18", "expert missing", experts(2, ("model.layers.1.block_sparse_moe.experts.1.w2.weight",)), "layer 1 lacks experts 1"),
    refused("C18", "expert 10^9", renamed_expert, "1000000000"),
    of_config("C18", "2^31-1 experts", {**MOE, "num_local_experts": 2**31 - 1}, "2147483647"),
    accepted("C19", "vocabulary larger than the embedding", folder(config_json=config(vocab_size=100)), "the rows are taken"),
    accepted("C19", "vocabulary smaller than the embedding", folder(config_json=config(vocab_size=4)), "the rows are taken"),
    refused("C19", "token beyond the embedding", folder(tokenizer_json={**TOKENIZER, "model": {**TOKENIZER["model"], "vocab": {"a": 0, "b": 1, "ab": 8}}}), "id 8, but the model has 8", at="tokenizer.json"),
    accepted("C19", "vocabulary of 0", folder(config_json=config(vocab_size=0)), "the rows are taken"),
    *(of_config("C20", f"quantized by {method}", {"quantization_config": {"quant_method": method}}, "which qtz cannot read") for method in ("hqq", "quip", "")),
    of_config("C20", "quantized, method a number", {"quantization_config": {"quant_method": 4}}, "'quant_method'"),
    refused("C20", "quantized, said beside", folder(hf_quant_config_json={"quantization": {"quant_method": "hqq"}}), "which qtz cannot read", at="hf_quant_config.json"),
    *(accepted("C20", f"said to be quantized by {method}, but is not", folder(config_json=config(quantization_config={"quant_method": method})), "no tensor is stored that way") for method in ("gptq", "awq", "fp8", "bitsandbytes")),
    refused("C20", "quantized by gptq, no scales", quantized("gptq", {"qweight": ("I32", [1, HIDDEN], bytes(4 * HIDDEN))}, bits=4), "without which it cannot be decoded", at="model.safetensors"),
    refused("C20", "quantized by gptq, 5 bits", quantized("gptq", {**GPTQ, "qweight": ("I32", [5, HIDDEN], bytes(20 * HIDDEN))}, bits=5), "2, 3, 4 and 8 can be read", at="model.safetensors"),
    refused("C20", "quantized by gptq, 10^9 bits", quantized("gptq", GPTQ, bits=10**9), "2, 3, 4 and 8 can be read", at="model.safetensors"),
    refused("C20", "quantized by gptq, group that is not there", quantized("gptq", {**GPTQ, "g_idx": ("I32", [HIDDEN], b"\xff" * 4 * HIDDEN)}, bits=4), "names a group that has no scale", at="model.safetensors"),
    refused("C20", "quantized by awq, odd scales", quantized("awq", {**GPTQ, "scales": ("F16", [1, HIDDEN - 1], bytes(2 * HIDDEN - 2))}, bits=4), "does not fit", at="model.safetensors"),
    refused("C20", "quantized to FP8, scales of other blocks", quantized("fp8", {"weight": ("F8_E4M3", [HIDDEN, HIDDEN], bytes(HIDDEN**2)), "weight_scale_inv": ("F32", [3, 3], bytes(36))}, weight_block_size=[16, 16]), "does not fit", at="model.safetensors"),
    refused("C20", "quantized to FP8, blocks of 0", quantized("fp8", {"weight": ("F8_E4M3", [HIDDEN, HIDDEN], bytes(HIDDEN**2))}, weight_block_size=[0, 0]), "'weight_block_size'", at="config.json"),
    refused("C20", "quantized to FP8, no scales", quantized("fp8", {"weight": ("F8_E4M3", [HIDDEN, HIDDEN], bytes(HIDDEN**2))}), "does not explain"),
    accepted("C21", "rope of an unknown kind", folder(config_json=config(rope_scaling={"type": "spiral", "factor": 2.0})), "spiral"),
    of_config("C21", "rope a number", {"rope_scaling": 2}, "'rope_scaling' is not an object"),
    of_config("C21", "factor of rope a text", {"rope_scaling": {"type": "linear", "factor": "2"}}, "is not a number"),
    *(Case("C23", f"folder named {name!r}", odd_name(name), name, (QUANTIZE, VERIFY), 0, "ok") for name in ("a b", "a'\"b", "a\nb", "-model", "mod\u00e8le", "\udcff")),
    refused("C24", "weights that may not be read", unreadable, "Permission denied", 3, at="model.safetensors", bare=True),
    refused("C25", "template of 5 MiB", template("a" * (5 * MB)), "larger than the limit", at="tokenizer_config.json"),
    refused("C25", "template file of 50 MB", folder(tokenizer_config_json={}, chat_template_jinja=lambda: b"a" * 50_000_000), "at most 4.19 MB", at="chat_template.jinja"),
    accepted("C25", "template a number", template(7), "chat_template is of type integer: left out"),
    refused("C25", "template not UTF-8", folder(tokenizer_config_json={}, chat_template_jinja=b"{{ \xff }}"), "not UTF-8", at="chat_template.jinja"),
    refused("C25", "template with half a pair", template("\ud800"), "surrogate", at="tokenizer_config.json"),
    accepted("C25", "template with a payload", template(TEMPLATE), "__subclasses__", (QUANTIZE, "inspect {out}")),
]  # fmt: skip
