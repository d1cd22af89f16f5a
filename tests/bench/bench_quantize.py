#!/usr/bin/env python3
"""Whole runs, file to file: qtz next to real llama.cpp and next to `cp`, in pairs within one session.

  bench_quantize.py --qtz BUILD/src/cli/qtz --make-model BUILD/tests/bench/qtz_make_model --dir FOLDER \\
                    [--size 0.5b] [--types Q8_0,Q4_K_M] [--rounds 5] [--backend avx2] [--input FILE.gguf] [--no-llama]

Needs `pip install cyllama==0.2.18` (llama.cpp's own quantizer, prebuilt) unless --no-llama. Files in FOLDER are made and
removed; it should be on the disk that is of interest, with 3 times the model's size free. The input is read once before
each timed run, so it comes from the page cache. Printed per type: the median wall time of each program, the median over
the rounds of the ratio of two runs made one after the other, and the largest resident memory. qtz's time includes the
fsync of its output; llama.cpp's does not sync.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

LLAMA_WORKER = r"""
import os, sys
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
import cyllama.llama.llama_cpp as cy
params = cy.LlamaModelQuantizeParams()
params.ftype = int(sys.argv[3])
params.nthread = int(sys.argv[4])
cy.model_quantize(sys.argv[1], sys.argv[2], params)
"""


def run(command):
    """Wall seconds and peak resident bytes of a child process."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    message = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"{command[0]} failed: {message.decode(errors='replace')[-2000:]}")
    return seconds, usage.ru_maxrss * 1024


def warm(path):
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def remove(path):
    if os.path.exists(path):
        os.unlink(path)
    os.sync()


def copy_and_sync(source, target):
    start = time.perf_counter()
    subprocess.run(["cp", source, target], check=True)
    subprocess.run(["sync", "-f", target], check=True)
    return time.perf_counter() - start, 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qtz", required=True)
    parser.add_argument("--make-model")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--size", default="0.5b")
    parser.add_argument("--input")
    parser.add_argument("--types", default="Q8_0,Q4_K_M")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--backend")
    parser.add_argument("--no-llama", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    os.makedirs(args.dir, exist_ok=True)
    source = args.input or os.path.join(args.dir, f"random-{args.size}.gguf")
    if not args.input and not os.path.exists(source):
        if not args.make_model:
            parser.error("--make-model or --input is needed")
        subprocess.run([args.make_model, args.size, "F16", source], check=True)
    output = os.path.join(args.dir, "bench-output.gguf")
    ftypes = {name: number for name, number in [
        ("Q4_0", 2), ("Q4_1", 3), ("Q8_0", 7), ("Q5_0", 8), ("Q5_1", 9), ("Q2_K", 10), ("Q3_K_S", 11), ("Q3_K_M", 12),
        ("Q3_K_L", 13), ("Q4_K_S", 14), ("Q4_K_M", 15), ("Q5_K_S", 16), ("Q5_K_M", 17), ("Q6_K", 18), ("IQ4_NL", 25),
        ("IQ4_XS", 30), ("BF16", 32)]}

    def qtz(file_type):
        command = [args.qtz, "quantize", source, "--type", file_type, "-o", output, "--threads", str(args.threads), "-q"]
        return run(command + (["--backend", args.backend] if args.backend else []))

    def llama(file_type):
        return run([sys.executable, "-c", LLAMA_WORKER, source, output, str(ftypes[file_type]), str(args.threads)])

    results = []
    for file_type in args.types.split(","):
        programs = {"qtz": lambda: qtz(file_type), "cp+sync": lambda: copy_and_sync(source, output)}
        if not args.no_llama:
            programs["llama.cpp"] = lambda: llama(file_type)
        seconds = {name: [] for name in programs}
        memory = {name: 0 for name in programs}
        for _ in range(args.rounds):
            for name, action in programs.items():
                remove(output)
                warm(source)
                taken, resident = action()
                seconds[name].append(taken)
                memory[name] = max(memory[name], resident)
        remove(output)
        row = {"type": file_type, "input_bytes": os.path.getsize(source), "threads": args.threads}
        for name in programs:
            row[name] = {"median_s": statistics.median(seconds[name]), "best_s": min(seconds[name]),
                         "peak_mb": round(memory[name] / 1e6, 1)}
        row["qtz / cp+sync"] = statistics.median(a / b for a, b in zip(seconds["qtz"], seconds["cp+sync"]))
        if not args.no_llama:
            row["llama.cpp / qtz"] = statistics.median(a / b for a, b in zip(seconds["llama.cpp"], seconds["qtz"]))
        results.append(row)
        if not args.json:
            parts = [f"{name} {row[name]['median_s']:.2f} s (best {row[name]['best_s']:.2f})" for name in programs]
            parts.append(f"qtz / cp+sync {row['qtz / cp+sync']:.2f}")
            if not args.no_llama:
                parts.append(f"llama.cpp / qtz {row['llama.cpp / qtz']:.1f}")
                parts.append(f"peak memory qtz {row['qtz']['peak_mb']:.0f} MB, llama.cpp {row['llama.cpp']['peak_mb']:.0f} MB")
            print(f"{file_type}: " + ", ".join(parts), flush=True)
    if args.json:
        print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
