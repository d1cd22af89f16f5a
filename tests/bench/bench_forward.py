#!/usr/bin/env python3
"""The forward pass of qtz next to real llama.cpp's, on the same F16 model and the same tokens, in pairs within one session;
and what divergences cost beside perplexities alone.

  bench_forward.py --qtz BUILD/src/cli/qtz --text FILE --dir FOLDER [--width 1024] [--layers 12] [--context 512] [--windows 16]
                   [--threads 2] [--rounds 3] [--types Q8_0,Q6_K,Q5_K_M,Q4_K_M,Q3_K_M]

Needs numpy, gguf and `pip install cyllama==0.2.18`. Makes a llama of random weights with the tokenizer of tests/data/demo, which
stays in FOLDER for the next time. llama.cpp gets the windows as llama-perplexity gives them to it: one at a time, logits of
the second half; its time is that of the calls of llama_decode alone. qtz's is that of the whole process, which opens the
model, cuts the text and reports. Printed: the median times, and the median over the rounds of the ratio of two runs made one
after the other.
"""
import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import numpy

DEMO = pathlib.Path(__file__).resolve().parent.parent / "data" / "demo"

LLAMA_WORKER = DEMO.parent.parent / "interop" / "llama_worker.py"


def write_model(folder, width, layers):
    """A llama with attention in groups of 4, of random weights that keep states in range."""
    rng = numpy.random.default_rng(1)
    config = json.loads((DEMO / "config.json").read_text())
    vocabulary = config["vocab_size"]
    heads, inner = width // 64, width * 11 // 4 // 32 * 32
    config.update(
        hidden_size=width, num_hidden_layers=layers, intermediate_size=inner, num_attention_heads=heads,
        num_key_value_heads=heads // 4, head_dim=64, tie_word_embeddings=False, max_position_embeddings=4096,
    )  # fmt: skip
    shapes = {"model.embed_tokens": (vocabulary, width), "lm_head": (vocabulary, width), "model.norm": (width,)}
    for i in range(layers):
        at = f"model.layers.{i}."
        shapes.update({
            at + "input_layernorm": (width,), at + "post_attention_layernorm": (width,),
            at + "self_attn.q_proj": (width, width), at + "self_attn.o_proj": (width, width),
            at + "self_attn.k_proj": (width // 4, width), at + "self_attn.v_proj": (width // 4, width),
            at + "mlp.gate_proj": (inner, width), at + "mlp.up_proj": (inner, width), at + "mlp.down_proj": (width, inner),
        })  # fmt: skip
    folder.mkdir(parents=True)
    for file in DEMO.iterdir():
        if not file.name.endswith(".safetensors"):
            shutil.copy(file, folder)
    (folder / "config.json").write_text(json.dumps(config))
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2 * int(numpy.prod(shape))
        header[name + ".weight"] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            values = numpy.ones(shape) if len(shape) == 1 else rng.normal(0, shape[-1] ** -0.5, shape)
            out.write(values.astype("<f2").tobytes())


def run(command):
    start = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed: {done.stderr[-2000:]}")
    return time.perf_counter() - start, done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qtz", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--dir", required=True, type=pathlib.Path)
    parser.add_argument("--types", default="Q8_0,Q6_K,Q5_K_M,Q4_K_M,Q3_K_M")
    for name, value in (("width", 1024), ("layers", 12), ("context", 512), ("windows", 16), ("threads", 2), ("rounds", 3)):
        parser.add_argument("--" + name, type=int, default=value)
    flags = parser.parse_args()

    folder = flags.dir / f"llama-{flags.width}x{flags.layers}"
    if not folder.exists():
        write_model(folder, flags.width, flags.layers)
    types = flags.types.split(",")
    wanted = [part for each in ["F16", *types] for part in ("--type", each)]
    run([flags.qtz, "quantize", folder, *wanted, "--force", "-o", flags.dir / "bench-{type}.gguf"])
    model = flags.dir / "bench-F16.gguf"
    ids = [int(each) for each in run([flags.qtz, "tokenize", model, "--file", flags.text, "--no-bos"])[1].split()]
    length = flags.context
    windows = [ids[i * length : (i + 1) * length] for i in range(flags.windows)]
    windows_file = flags.dir / "windows.json"
    windows_file.write_text(json.dumps(windows))

    text = ("--data", flags.text, "--ctx", length, "--chunks", flags.windows, "--threads", flags.threads)
    candidates = [flags.dir / f"bench-{each}.gguf" for each in types]
    times = {"qtz": [], "llama.cpp": [], "separate": [], "divergence": []}
    for _ in range(flags.rounds):
        times["qtz"].append(run([flags.qtz, "eval", model, *text])[0])
        llama = [sys.executable, LLAMA_WORKER, "windows", model, windows_file, flags.dir / "logits.npy", flags.threads]
        times["llama.cpp"].append(float(run(llama)[1]))
        times["separate"].append(sum(run([flags.qtz, "eval", each, *text])[0] for each in candidates))
        times["divergence"].append(run([flags.qtz, "eval", *candidates, "--reference", model, *text])[0])
    tokens = length * flags.windows
    for name, seconds in times.items():
        print(f"{name:<12} {statistics.median(seconds):8.2f} s  {tokens / statistics.median(seconds):8.0f} tokens/s")
    for name, over, under in (("llama.cpp / qtz", "llama.cpp", "qtz"), ("divergence / separate perplexities", "divergence", "separate")):
        ratios = [a / b for a, b in zip(times[over], times[under])]
        print(f"{name}: {statistics.median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
