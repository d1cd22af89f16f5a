"""`qtz eval` against llama.cpp's own logits of the same files, windows and tokens."""

import json
import unittest

import numpy
from support import DEMO, FolderTestCase, run_llama, run_qtz

LENGTH, WINDOWS = 128, 24
SCORED = slice(LENGTH // 2 + 1, None)


def text():
    """Of words that the demo model can guess at; enough for the windows."""
    words = "the old man said that she had never seen him before and went back to the house by the river".split()
    rng = numpy.random.default_rng(3)
    return " ".join(rng.choice(words, 2 * LENGTH * WINDOWS)) + "\n"


class Evaluation(FolderTestCase):
    def setUp(self):
        super().setUp()
        self.text = self.folder / "text.txt"
        self.text.write_text(text())
        self.files = {each: self.folder / f"{each}.gguf" for each in ("F16", "Q8_0", "Q4_K_M", "Q3_K_M", "Q2_K")}
        for each, path in self.files.items():
            run_qtz("quantize", DEMO, "--type", each, "-o", path)
        # With the token of the beginning, which also takes the place of every other window's first.
        ids = [int(each) for each in run_qtz("tokenize", self.files["F16"], "--file", self.text).split()]
        windows = [[ids[0], *ids[i * LENGTH + 1 : (i + 1) * LENGTH]] for i in range(WINDOWS)]
        self.windows = self.folder / "windows.json"
        self.windows.write_text(json.dumps(windows))
        self.next = numpy.array([token for window in windows for token in window[SCORED]])

    def logarithms(self, path):
        """Of probabilities by llama.cpp, [scored, vocabulary]."""
        logits = self.folder / "logits.npy"
        run_llama("windows", path, self.windows, logits, 2)
        rows = numpy.load(logits).astype(numpy.float64)
        rows -= rows.max(axis=1, keepdims=True)
        return rows - numpy.log(numpy.exp(rows).sum(axis=1, keepdims=True))

    def perplexity(self, logarithms):
        return numpy.exp(-logarithms[numpy.arange(len(self.next)), self.next].mean())

    def test_perplexity_and_divergence_are_llama_cpps(self):
        reference = self.files.pop("F16")
        flags = ("--data", self.text, "--ctx", LENGTH, "--chunks", WINDOWS, "--json")
        report = json.loads(run_qtz("eval", *self.files.values(), "--reference", reference, *flags))
        expected = self.logarithms(reference)
        own = report["reference"]["perplexity"]["value"]
        self.assertLess(abs(own / self.perplexity(expected) - 1), 2e-3)
        for each, found in zip(self.files, sorted(report["models"], key=lambda model: -model["bytes"])):
            with self.subTest(type=each):
                # Before it multiplies with quantized weights llama.cpp rounds activations to 8 bits. With the same weights
                # in F32 it does not.
                decoded = self.folder / "decoded.gguf"
                run_qtz("quantize", self.files[each], "--type", "F32", "--allow-requantize", "--force", "-o", decoded)
                for file, perplexity_bound, share, rest in ((decoded, 5e-4, 0.01, 1e-6), (self.files[each], 1e-2, 0.1, 7e-4)):
                    theirs = self.logarithms(file)
                    self.assertLess(abs(found["perplexity"]["value"] / self.perplexity(theirs) - 1), perplexity_bound)
                    divergence = (numpy.exp(expected) * (expected - theirs)).sum(axis=1).mean()
                    self.assertLess(abs(found["kld"]["mean"]["value"] - divergence), share * divergence + rest)


if __name__ == "__main__":
    unittest.main()
