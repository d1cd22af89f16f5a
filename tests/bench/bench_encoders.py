#!/usr/bin/env python3
"""The encoders, one core each: qtz's backends next to ggml's reference encoders, in one run.

  bench_encoders.py --qtz BUILD/src/cli/qtz --ggml LIBGGML_BASE.so [--types Q4_K,Q6_K] [--backends avx512,avx2] [--rounds 5]

ggml's side is `ggml_quantize_chunk` of a shared libggml-base that is built optimized
(cmake -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON). Random normal weights, 4 Mi of them, without and with an importance
matrix; both sides encode tile after tile of 64 Ki weights that was written just before (which is not timed). Rounds alternate
between the programs, and each side's fastest counts. Needs numpy.
"""
import argparse
import ctypes
import json
import subprocess
import time

import numpy as np

# enum ggml_type
GGML_TYPES = dict(Q4_0=2, Q4_1=3, Q5_0=6, Q5_1=7, Q8_0=8, Q2_K=10, Q3_K=11, Q4_K=12, Q5_K=13, Q6_K=14, IQ4_NL=20, IQ4_XS=23, TQ1_0=34, TQ2_0=35,
                  MXFP4=39, NVFP4=40, Q1_0=41, Q2_0=42, IQ3_XXS=18, IQ3_S=21, IQ2_XXS=16, IQ2_XS=17, IQ2_S=22, IQ1_S=19, IQ1_M=29)
# ggml ends the process without importance.
IMPORTANCE_ONLY = {"IQ2_XXS", "IQ2_XS", "IQ1_S"}
COLS = 4096
ROWS = 1024
TILE_ROWS = 16


class Ggml:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        self.lib.ggml_quantize_chunk.restype = ctypes.c_size_t
        self.lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
                                                 ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]
        rng = np.random.default_rng(1)
        self.weights = rng.standard_normal((ROWS, COLS), dtype=np.float32)
        self.importance = rng.random(COLS, dtype=np.float32) + np.float32(0.01)
        self.tile = np.empty((TILE_ROWS, COLS), dtype=np.float32)
        self.out = np.empty(TILE_ROWS * COLS * 4, dtype=np.uint8)

    def weights_per_second(self, type_name, with_importance):
        importance = self.importance.ctypes.data if with_importance else None
        seconds = 0.0
        for row in range(0, ROWS, TILE_ROWS):
            self.tile[:] = self.weights[row : row + TILE_ROWS]
            start = time.perf_counter()
            self.lib.ggml_quantize_chunk(GGML_TYPES[type_name], self.tile.ctypes.data, self.out.ctypes.data, 0, TILE_ROWS,
                                         COLS, importance)
            seconds += time.perf_counter() - start
        return ROWS * COLS / seconds


def qtz_rates(program, type_name, backends):
    command = [program, "bench", "--json", "-q", "--type", type_name, "--repetitions", "2"]
    for backend in backends:
        command += ["--backend", backend]
    rows = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {(row["backend"], row["operation"]): row["weights_per_second"] for row in rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--qtz", required=True)
    parser.add_argument("--ggml", required=True)
    parser.add_argument("--types", default=",".join(GGML_TYPES))
    parser.add_argument("--backends", default="avx512,avx2")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    ggml = Ggml(arguments.ggml)
    backends = arguments.backends.split(",")
    print("million weights per second on one core; in brackets, times ggml")
    print(f"{'type':8}{'importance':12}{'ggml':>8}" + "".join(f"{backend:>18}" for backend in backends))
    for type_name in arguments.types.split(","):
        best_ggml = {False: 0.0, True: 0.0}
        best_qtz = {}
        for _ in range(arguments.rounds):
            for with_importance in (False, True):
                if not with_importance and type_name in IMPORTANCE_ONLY:
                    continue
                rate = ggml.weights_per_second(type_name, with_importance)
                best_ggml[with_importance] = max(best_ggml[with_importance], rate)
            for key, rate in qtz_rates(arguments.qtz, type_name, backends).items():
                best_qtz[key] = max(best_qtz.get(key, 0.0), rate)
        for with_importance, operation in ((False, "encode"), (True, "encode+importance")):
            base = best_ggml[with_importance]
            if base == 0.0:
                continue
            cells = (best_qtz[backend, operation] for backend in backends)
            row = "".join(f"{rate / 1e6:9.1f} ({rate / base:5.1f}x)" for rate in cells)
            print(f"{type_name:8}{'yes' if with_importance else 'no':12}{base / 1e6:8.1f}{row}", flush=True)


if __name__ == "__main__":
    main()
