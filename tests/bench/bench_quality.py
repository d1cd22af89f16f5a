#!/usr/bin/env python3
"""What every GGUF file type loses, with and without importance matrix: perplexity and Kullback-Leibler divergence from the
16-bit file by `qtz eval`, beside those that llama.cpp computes from the same files.

  bench_quality.py --qtz BUILD/src/cli/qtz --model FOLDER --calibration FILE --text FILE --dir FOLDER [--context 256]
                   [--windows 200] [--types Q8_0,Q4_K_M] [--no-llama]

Needs numpy, and gguf and `pip install cyllama==0.2.18` unless --no-llama. Prints a table in Markdown. llama.cpp multiplies quantized
weights with activations of 8 bits, qtz with f32: that is the difference between the two.
"""
import argparse
import json
import pathlib
import subprocess
import sys

import numpy

# Those that llama-quantize refuses to make of weights that have no importance.
NEED_IMPORTANCE = {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "IQ3_XS", "Q2_K_S"}
# Those whose encoders take none.
WITHOUT_IMPORTANCE = {"Q8_0", "TQ1_0", "TQ2_0", "Q1_0", "Q2_0", "MXFP4_MOE", "NVFP4"}

LLAMA_WORKER = pathlib.Path(__file__).resolve().parent.parent / "interop" / "llama_worker.py"


class CommandFailed(Exception):
    """A command did not exit with 0; the text is the end of what it wrote to standard error."""


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandFailed(f"{command[0]} {command[1]} failed: {done.stderr[-2000:]}")
    return done.stdout


class LlamaCpp:
    """Log-probabilities of llama.cpp for the scored half of every window."""

    def __init__(self, folder, windows, reference):
        self.windows, self.logits = folder / "windows.json", folder / "logits.npy"
        self.windows.write_text(json.dumps(windows))
        half = len(windows[0]) // 2
        self.next = numpy.array([token for window in windows for token in window[half + 1 :]])
        self.reference = self.logarithms(reference)

    def logarithms(self, path):
        run(sys.executable, LLAMA_WORKER, "windows", path, self.windows, self.logits, 2)
        rows = numpy.load(self.logits).astype(numpy.float64)
        rows -= rows.max(axis=1, keepdims=True)
        return rows - numpy.log(numpy.exp(rows).sum(axis=1, keepdims=True))

    def scores(self, path):
        """Perplexity and divergence as cells of the table; dashes for a file of a type that this llama.cpp is too old for."""
        try:
            found = self.logarithms(path)
        except CommandFailed as failure:
            if "invalid ggml type" not in str(failure):
                raise
            return "-", "-"
        perplexity = numpy.exp(-found[numpy.arange(len(self.next)), self.next].mean())
        divergence = (numpy.exp(self.reference) * (self.reference - found)).sum(axis=1).mean()
        return f"{perplexity:.3f}", f"{divergence:.5f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qtz", required=True)
    for name in ("model", "calibration", "text", "dir"):
        parser.add_argument("--" + name, required=True, type=pathlib.Path)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--types")
    parser.add_argument("--no-llama", action="store_true")
    flags = parser.parse_args()

    flags.dir.mkdir(parents=True, exist_ok=True)
    known = [each["name"] for each in json.loads(run(flags.qtz, "types", "--json"))["types"]]
    types = flags.types.split(",") if flags.types else [each for each in reversed(known) if each not in ("F32", "F16", "BF16")]
    reference, matrix = flags.dir / "F16.gguf", flags.dir / "matrix.gguf"
    run(flags.qtz, "quantize", flags.model, "--type", "F16", "--force", "-o", reference)
    run(flags.qtz, "calibrate", reference, "--data", flags.calibration, "--ctx", flags.context, "--force", "-o", matrix)

    files = {}
    for each in types:
        if each not in NEED_IMPORTANCE:
            files[each, False] = flags.dir / f"{each}.gguf"
            run(flags.qtz, "quantize", reference, "--type", each, "--force", "-o", files[each, False])
        if each not in WITHOUT_IMPORTANCE:
            files[each, True] = flags.dir / f"{each}-matrix.gguf"
            run(flags.qtz, "quantize", reference, "--type", each, "--imatrix", matrix, "--force", "-o", files[each, True])

    text = ("--data", flags.text, "--ctx", flags.context, "--chunks", flags.windows)
    report = json.loads(run(flags.qtz, "eval", *files.values(), "--reference", reference, *text, "--json"))
    scores = {pathlib.Path(each["model"]).name: each for each in report["models"]}
    peer = None
    if not flags.no_llama:
        # Of a model with a token for the beginning, which also takes the place of every other window's first.
        ids = [int(each) for each in run(flags.qtz, "tokenize", reference, "--file", flags.text).split()]
        starts = range(0, flags.windows * flags.context, flags.context)
        windows = [[ids[0], *ids[start + 1 : start + flags.context]] for start in starts]
        peer = LlamaCpp(flags.dir, windows, reference)

    print("| `--type` | bytes | PPL | llama.cpp | KLD | llama.cpp | PPL, matrix | llama.cpp | KLD, matrix | llama.cpp |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for each in types:
        cells, size = [], 0
        for with_matrix in (False, True):
            path = files.get((each, with_matrix))
            if path is None:
                cells += [""] * 4
                continue
            size = path.stat().st_size
            own = scores[path.name]
            theirs = peer.scores(path) if peer else ("-", "-")
            cells += [f"{own['perplexity']['value']:.3f}", theirs[0]]
            cells += [f"{own['kld']['mean']['value']:.5f}", theirs[1]]
        print(f"| {each} | {size} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
