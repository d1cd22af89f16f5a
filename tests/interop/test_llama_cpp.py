"""llama.cpp loads the demo model's files, computes with them, and quantizes our BF16 file to the very tensors qtz makes."""

import unittest

import gguf
import numpy

from support import DEMO, FolderTestCase, llama_logits, make_checkpoint, metadata, run_llama, run_qtz, tensor_hashes, write_imatrix

# llama-quantize's numbers. Q2_0 is newer than the llama.cpp of this package.
FILE_TYPES = {
    "Q4_0": 2, "Q4_1": 3, "Q8_0": 7, "Q5_0": 8, "Q5_1": 9, "Q2_K": 10, "Q3_K_S": 11, "Q3_K_M": 12, "Q3_K_L": 13,
    "Q4_K_S": 14, "Q4_K_M": 15, "Q5_K_S": 16, "Q5_K_M": 17, "Q6_K": 18, "IQ4_NL": 25, "IQ4_XS": 30,
    "TQ1_0": 36, "TQ2_0": 37, "MXFP4_MOE": 38, "Q1_0": 40, "IQ3_S": 26, "IQ3_M": 27,
    "F16": 1, "BF16": 32, "F32": 0,
}  # fmt: skip
# Both tools refuse these without an importance matrix; of the others a few show that it is used alike.
WITH_IMPORTANCE = {
    "IQ1_S": 24, "IQ1_M": 31, "IQ2_XXS": 19, "IQ2_XS": 20, "IQ2_S": 28, "IQ2_M": 29, "Q2_K_S": 21,
    "IQ3_XXS": 23, "IQ3_XS": 22, "IQ3_S": 26, "IQ3_M": 27, "IQ4_XS": 30, "Q4_0": 2, "Q4_K_M": 15,
}  # fmt: skip
TOKENS = [2046, 84, 260, 311, 423, 77, 501, 988, 1406, 1898, 464, 1104, 1818, 606, 1468, 404]


def deviation(found, expected):
    """Largest difference, in standard deviations of the expected logits."""
    return float(numpy.abs(found - expected).max() / expected.std())


class LlamaRunsTheDemo(FolderTestCase):
    def test_logits_stay_close_to_the_f32_file(self):
        exact = llama_logits(self.quantize(DEMO, "F32"), TOKENS, exact=True)
        self.assertTrue(numpy.isfinite(exact).all())
        for file_type, limit in {"BF16": 0.1, "F16": 0.1, "Q8_0": 0.3, "Q6_K": 0.5, "Q4_K_M": 1.5}.items():
            with self.subTest(file_type):
                found = llama_logits(self.quantize(DEMO, file_type), TOKENS)
                self.assertLess(deviation(found, exact), limit)

    def test_tokenizes_text(self):
        text = self.folder / "text.txt"
        text.write_text("It was a bright cold day, and the clocks were striking thirteen.\n", encoding="utf-8")
        tokens = run_llama("tokens", self.quantize(DEMO, "Q8_0"), text)
        self.assertGreater(len(tokens.split(",")), 10)


class LlamaQuantizeMakesTheSameTensors(FolderTestCase):
    def test_every_file_type(self):
        source = self.quantize(DEMO, "BF16")
        for file_type, number in FILE_TYPES.items():
            with self.subTest(file_type):
                theirs = self.folder / f"theirs-{file_type}.gguf"
                run_llama("quantize", source, theirs, number)
                for ours in (self.quantize(DEMO, file_type), self.quantize(source, file_type)):
                    self.assertEqual(tensor_hashes(ours), tensor_hashes(theirs))

    def test_every_file_type_with_an_importance_matrix(self):
        source = self.quantize(DEMO, "BF16")
        imatrix = write_imatrix(self.folder / "made-up.imatrix.gguf", source)
        for file_type, number in WITH_IMPORTANCE.items():
            with self.subTest(file_type):
                theirs = self.folder / f"theirs-weighted-{file_type}.gguf"
                ours = self.folder / f"ours-weighted-{file_type}.gguf"
                run_llama("quantize", source, theirs, number, imatrix)
                run_qtz("quantize", source, "--type", file_type, "--imatrix", imatrix, "-o", ours, "-q")
                self.assertEqual(tensor_hashes(ours), tensor_hashes(theirs))

    def test_experts_with_importance_of_their_own(self):
        source = self.quantize(make_checkpoint("mixtral", self.folder), "BF16")
        imatrix = write_imatrix(self.folder / "experts.imatrix.gguf", source)
        for file_type in ("Q2_K_S", "IQ2_M", "IQ3_XS", "IQ3_M"):
            with self.subTest(file_type):
                theirs = self.folder / f"theirs-experts-{file_type}.gguf"
                ours = self.folder / f"ours-experts-{file_type}.gguf"
                run_llama("quantize", source, theirs, WITH_IMPORTANCE[file_type], imatrix)
                run_qtz("quantize", source, "--type", file_type, "--imatrix", imatrix, "-o", ours, "-q")
                self.assertEqual(tensor_hashes(ours), tensor_hashes(theirs))

    def test_metadata_is_theirs(self):
        source = self.quantize(DEMO, "BF16")
        theirs = self.folder / "theirs-metadata.gguf"
        run_llama("quantize", source, theirs, FILE_TYPES["Q4_K_M"])
        expected = metadata(theirs)
        found = metadata(self.quantize(source, "Q4_K_M"))
        self.assertEqual({key: found.get(key) for key in expected}, expected)

    def test_order_of_tensors_is_theirs(self):
        source = self.quantize(DEMO, "BF16")
        theirs = self.folder / "theirs-order.gguf"
        run_llama("quantize", source, theirs, FILE_TYPES["Q4_K_M"])
        names = [[t.name for t in gguf.GGUFReader(path).tensors] for path in (theirs, self.quantize(source, "Q4_K_M"))]
        self.assertEqual(names[1], names[0])


if __name__ == "__main__":
    unittest.main()
