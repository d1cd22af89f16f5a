"""A model folder of a few kilobytes, of which a case spoils one part."""

import json

import fixtures

SPLIT = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
HIDDEN, ROWS = 32, 8

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": HIDDEN,
    "intermediate_size": 32, "max_position_embeddings": 64, "num_attention_heads": 2, "num_hidden_layers": 2,
    "num_key_value_heads": 1, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": True,
    "vocab_size": ROWS, "bos_token_id": 3, "eos_token_id": 4,
}  # fmt: skip

MOE = {**CONFIG, "architectures": ["MixtralForCausalLM"], "model_type": "mixtral", "num_local_experts": 2, "num_experts_per_tok": 1}

TOKENIZER = {
    "version": "1.0",
    "added_tokens": [
        {"id": 3, "content": "<|begin_of_text|>", "normalized": False, "special": True},
        {"id": 4, "content": "<|end_of_text|>", "normalized": False, "special": True},
    ],
    "normalizer": None,
    "pre_tokenizer": {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": SPLIT}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
        ],
    },
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<|begin_of_text|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"<|begin_of_text|>": {"id": "<|begin_of_text|>", "ids": [3], "tokens": ["<|begin_of_text|>"]}},
    },
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    "model": {"type": "BPE", "ignore_merges": True, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]},
}  # fmt: skip

TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>",
    "chat_template": "{{ messages }}",
}  # fmt: skip


def layer(number, experts=0):
    shapes = {
        "input_layernorm": [HIDDEN], "post_attention_layernorm": [HIDDEN], "self_attn.q_proj": [32, HIDDEN],
        "self_attn.k_proj": [16, HIDDEN], "self_attn.v_proj": [16, HIDDEN], "self_attn.o_proj": [HIDDEN, 32],
    }  # fmt: skip
    if experts == 0:
        shapes |= {"mlp.gate_proj": [32, HIDDEN], "mlp.up_proj": [32, HIDDEN], "mlp.down_proj": [HIDDEN, 32]}
    else:
        shapes["block_sparse_moe.gate"] = [experts, HIDDEN]
        for expert in range(experts):
            shapes |= {f"block_sparse_moe.experts.{expert}.{w}": [32, HIDDEN] for w in ("w1", "w2", "w3")}
    return {f"model.layers.{number}.{name}.weight": shape for name, shape in shapes.items()}


def tensors(layers=2, experts=0):
    """Name -> (dtype, shape, bytes)."""
    shapes = {"model.embed_tokens.weight": [ROWS, HIDDEN], "model.norm.weight": [HIDDEN]}
    for number in range(layers):
        shapes |= layer(number, experts)
    return {
        name: ("BF16", shape, fixtures.ramp(shape[0], shape[1] if len(shape) > 1 else 1)) for name, shape in shapes.items()
    }


def stored(value):
    """A dict as JSON, texts and bytes as they are; large ones are functions, so that they do not stay in memory."""
    if callable(value):
        value = value()
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "surrogatepass")


def folder(weights=None, without=(), **files):
    """A function that makes the folder "model". Files are named as keywords: config_json, tokenizer_json ...; None
    leaves one out. `weights` replaces tensors, of which None leaves one out."""

    def build(place):
        model = place / "model"
        model.mkdir(parents=True)
        everything = {"config.json": CONFIG, "tokenizer.json": TOKENIZER, "tokenizer_config.json": TOKENIZER_CONFIG}
        for name, value in files.items():
            stem, _, extension = name.rpartition("_")
            everything[f"{stem}.{extension}"] = value
        for name, value in everything.items():
            if value is not None:
                (model / name).write_bytes(stored(value))
        chosen = tensors() if weights is None else weights
        fixtures.write_safetensors(model / "model.safetensors", {k: v for k, v in chosen.items() if k not in without})

    return build


def config(**changes):
    """The configuration with other members; None leaves one out, ... gives null."""
    merged = {**CONFIG, **changes}
    return {key: None if value is ... else value for key, value in merged.items() if value is not None}


def sharded(index, names=("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"), total=None):
    """The model in two shards. `index` changes the weight_map, or is what stands for the whole index."""

    def build(place):
        model = place / "model"
        folder()(place)
        (model / "model.safetensors").unlink()
        all_tensors = tensors()
        middle = len(all_tensors) // 2
        parts = [dict(list(all_tensors.items())[:middle]), dict(list(all_tensors.items())[middle:])]
        weight_map = {}
        for name, part in zip(names, parts):
            fixtures.write_safetensors(model / name, part)
            weight_map |= dict.fromkeys(part, name)
        if callable(index):
            index(weight_map, model)
            size = sum(len(data) for _, _, data in all_tensors.values()) if total is None else total
            text = json.dumps({"metadata": {"total_size": size}, "weight_map": weight_map}).encode()
        else:
            text = stored(index)
        (model / "model.safetensors.index.json").write_bytes(text)

    return build
