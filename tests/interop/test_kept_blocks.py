"""llama.cpp multiplies with the scales of NVFP4 checkpoints whose blocks are kept as they are."""

import unittest

import numpy

from support import FolderTestCase, llama_logits, make_checkpoint

TOKENS = [2046, 84, 260, 311, 423, 77, 501, 988, 1406, 1898, 464, 1104, 1818, 606, 1468, 404]


class LlamaMultipliesWithScales(FolderTestCase):
    def test_logits_are_those_of_the_decoded_weights(self):
        for name in ("qwen3-nvfp4", "qwen3-moe-nvfp4", "llama-nvfp4"):
            with self.subTest(name):
                checkpoint = make_checkpoint(name, self.folder)
                exact = llama_logits(self.quantize(checkpoint, "F32"), TOKENS, exact=True)
                kept = llama_logits(self.quantize(checkpoint, "NVFP4"), TOKENS, exact=True)
                # llama.cpp rounds activations to 8 bits before it multiplies with such blocks: as with Q8_0.
                self.assertLess(float(numpy.abs(kept - exact).max() / exact.std()), 0.05)


if __name__ == "__main__":
    unittest.main()
