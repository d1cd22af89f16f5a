"""gguf reads the importance matrices of qtz calibrate, and they are llama-imatrix's of the same model and text."""

import os
import pathlib
import unittest

import gguf
import numpy

from support import FolderTestCase, metadata, run_qtz

DATA = pathlib.Path(os.environ.get("QTZ_SHARED", "")) / "data"
THEIRS = DATA / "imatrix" / "demo.imatrix.gguf"
CONTEXT = 256  # llama-imatrix's -c for that file


def arrays(path):
    return {tensor.name: tensor.data.astype(numpy.float64) for tensor in gguf.GGUFReader(path).tensors}


def distance(found, expected):
    return float(numpy.linalg.norm(found - expected) / numpy.linalg.norm(expected))


@unittest.skipUnless(THEIRS.exists(), "needs the data in $QTZ_SHARED")
class CalibrateMakesTheSameMatrix(FolderTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = cls.folder / "demo-F16.gguf"
        cls.made = cls.folder / "made.gguf"
        run_qtz("quantize", DATA / "models" / "demo", "--type", "F16", "-o", cls.model, "-q")
        text = DATA / "text" / "novels-calibration.txt"
        run_qtz("calibrate", cls.model, "--data", text, "--ctx", CONTEXT, "-o", cls.made, "-q")

    def test_sums_and_counts_are_llama_imatrix_s(self):
        found, expected = arrays(self.made), arrays(THEIRS)
        self.assertEqual(found.keys(), expected.keys())
        for name, values in expected.items():
            with self.subTest(name):
                self.assertEqual(found[name].shape, values.shape)
                if name.endswith(".counts"):
                    numpy.testing.assert_array_equal(found[name], values)
                else:
                    self.assertLess(distance(found[name], values), 1e-3)

    def test_keys_are_llama_imatrix_s(self):
        found, expected = metadata(self.made), metadata(THEIRS)
        for key in ("general.type", "imatrix.chunk_count", "imatrix.chunk_size"):
            self.assertEqual(found[key], expected[key], key)
        self.assertEqual(found["imatrix.datasets"], ["novels-calibration.txt"])

    def test_a_merge_is_the_sum(self):
        both = self.folder / "both.gguf"
        run_qtz("calibrate", "--merge", self.made, "--merge", THEIRS, "-o", both, "-q")
        found, mine, theirs = arrays(both), arrays(self.made), arrays(THEIRS)
        for name, values in found.items():
            self.assertLess(distance(values, mine[name] + theirs[name]), 1e-6, name)

    def test_the_older_form_weighs_alike(self):
        old = self.folder / "made.dat"
        back = self.folder / "back.gguf"
        run_qtz("calibrate", "--merge", self.made, "-o", old, "-q")
        run_qtz("calibrate", "--merge", old, "--ctx", CONTEXT, "-o", back, "-q")
        found, expected = arrays(back), arrays(self.made)
        for name, values in expected.items():
            self.assertLess(distance(found[name], values), 1e-6, name)


if __name__ == "__main__":
    unittest.main()
