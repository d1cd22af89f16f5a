"""For every architecture with reference logits: qtz makes a GGUF of the tiny checkpoint, llama.cpp loads it and its
logits agree with those of transformers."""

import json
import shutil
import unittest

import numpy

from support import FolderTestCase, architecture_folders, llama_logits, make_checkpoint

# Largest difference from transformers' logits, in their standard deviation.
F32_LIMIT = 1e-3
BF16_LIMIT = 5e-2
# llama.cpp looks GELU up in a table of half-precision numbers. A double-precision computation of the gpt2 checkpoint
# with such a table is 1.3e-3 from transformers and 1e-4 from llama.cpp; without it, 2e-6 and 1.3e-3.
F32_LIMIT_OF_GELU = 2e-3
# llama.cpp rounds YaRN's correction range to whole dimensions; this configuration asks not to ("truncate": false).
# Every layer of gemma4-per-layer has a second GELU, which gates its own embedding.
F32_LIMITS = {"gpt-oss": 1e-2, "gemma4-per-layer": 3e-3}
# 6e-6 away in F32: what is left is llama.cpp's rounding of activations to BF16, worst in state-space layers.
# Rounding to BF16 makes other experts the first in phimoe, whose two experts are chosen one after the other.
BF16_LIMITS = {"granite-hybrid": 6e-2, "phimoe": 2e-1}

# What is known of cyllama 0.2.18 with these checkpoints, whoever converted them (tests/data/arch/README.md).
NOT_LOADED = {
    "gemma3n": "its loader refuses these small shapes",
    "gemma3n-shared": "its loader refuses these small shapes",
    "mamba2": "its loader refuses these small shapes",
    "laguna": "newer than the package",
    "mellum": "newer than the package",
    "deci": "its loader stops at an odd number of layers",
    "baichuan": "which positions it gives these sizes, it does not know",
    "smallthinker": "which layers have a window, it takes from the sizes of the published models",
    "step3-5": "counts no tensors of layers that predict",
    "minimax-m3": "newer than the package",
    "deepseek3-2": "newer than the package",
}
DISAGREES = {"afmoe", "gemma4"}  # on the reference converter's files too: only that it computes is checked


def f32_limit(name, config):
    if name in F32_LIMITS:
        return F32_LIMITS[name]
    names = ("hidden_act", "hidden_activation", "activation_function", "activation")
    return F32_LIMIT_OF_GELU if any("gelu" in str(config.get(key, "")) for key in names) else F32_LIMIT


class LlamaAgreesWithTransformers(FolderTestCase):
    def test_every_architecture(self):
        folders = architecture_folders()
        self.assertTrue(folders, "tests/data/arch holds no reference logits")
        for reference in folders:
            name = reference.name
            with self.subTest(name):
                self.check(name, reference)
                shutil.rmtree(self.folder / name, ignore_errors=True)
                for made in self.folder.glob("*.gguf"):
                    made.unlink()

    def check(self, name, reference):
        if name in NOT_LOADED:
            self.skipTest(NOT_LOADED[name])
        facts = json.loads((reference / "logits.json").read_text())
        config = json.loads((reference / "config.json").read_text())
        expected = numpy.load(reference / "logits.npy").astype(numpy.float64)
        checkpoint = make_checkpoint(name, self.folder)

        def deviation(file_type):
            logits = llama_logits(self.quantize(checkpoint, file_type), facts["input_ids"], exact=True)
            by_position = numpy.abs(logits[facts["positions"]] - expected).max(axis=1) / expected.std()
            return float(by_position.max())

        distances = {file_type: deviation(file_type) for file_type in ("F32", "BF16")}
        print(f"{name}: " + ", ".join(f"{key} {value:.2e}" for key, value in distances.items()), flush=True)
        if name not in DISAGREES:
            self.assertLess(distances["F32"], f32_limit(name, config), f"{name} F32")
            self.assertLess(distances["BF16"], BF16_LIMITS.get(name, BF16_LIMIT), f"{name} BF16")
        for file_type in ("Q8_0", "Q4_K_M"):
            logits = llama_logits(self.quantize(checkpoint, file_type), facts["input_ids"])
            self.assertTrue(numpy.isfinite(logits).all(), f"{name} {file_type}")


if __name__ == "__main__":
    unittest.main()
