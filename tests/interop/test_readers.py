"""The packages `gguf` and `safetensors` read what qtz reads and writes, and agree with it."""

import json
import unittest

import gguf
import numpy
from safetensors import safe_open

from support import DEMO, FolderTestCase, metadata, run_qtz, tensor_hashes, write_imatrix

# File types, with the lowest signal-to-noise ratio in dB that a decoded demo tensor may have.
DECODED = {"F16": 60, "BF16": 200, "Q8_0": 40, "Q4_0": 15, "Q5_1": 20, "Q4_K_M": 17, "Q6_K": 25, "Q2_K": 6, "Q3_K_M": 10}


def bf16_to_f32(raw):
    return (raw.view(numpy.uint16).astype(numpy.uint32) << 16).view(numpy.float32)


class ReadersAgree(FolderTestCase):
    def test_gguf_reads_the_metadata_that_qtz_shows(self):
        path = self.quantize(DEMO, "Q4_K_M")
        shown = json.loads(run_qtz("inspect", path, "--json", "--full"))["metadata"]
        read = metadata(path)
        self.assertEqual(set(shown), set(read))
        for key, value in read.items():
            if isinstance(value, float):
                self.assertAlmostEqual(shown[key]["value"], value, places=6, msg=key)
            elif isinstance(value, list) and value and isinstance(value[0], float):
                numpy.testing.assert_allclose(shown[key]["value"], value, rtol=1e-6, err_msg=key)
            else:
                self.assertEqual(shown[key]["value"], value, key)

    def test_gguf_hashes_the_tensors_that_qtz_hashes(self):
        path = self.quantize(DEMO, "Q4_K_M")
        shown = json.loads(run_qtz("inspect", path, "--json", "--sha256"))["tensors"]
        read = tensor_hashes(path)
        self.assertEqual([tensor["name"] for tensor in shown], list(read))
        for tensor in shown:
            dtype, dims, digest = read[tensor["name"]]
            self.assertEqual(tensor["type"], dtype)
            self.assertEqual(tuple(reversed(tensor["shape"])), dims)
            self.assertEqual(tensor["sha256"], digest, tensor["name"])

    def test_safetensors_sees_the_tensors_that_qtz_sees(self):
        path = DEMO / "model.safetensors"
        shown = {t["name"]: t for t in json.loads(run_qtz("inspect", path, "--json"))["tensors"]}
        with safe_open(path, framework="np") as source:
            self.assertEqual(set(source.keys()), set(shown))
            for name in source.keys():
                self.assertEqual(source.get_slice(name).get_shape(), shown[name]["shape"], name)

    def test_gguf_decodes_every_type_close_to_the_source(self):
        source = gguf.GGUFReader(self.quantize(DEMO, "F32"))
        exact = {t.name: t.data.astype(numpy.float64).ravel() for t in source.tensors}
        for file_type, lowest in DECODED.items():
            with self.subTest(file_type):
                for tensor in gguf.GGUFReader(self.quantize(DEMO, file_type)).tensors:
                    decoded = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float64).ravel()
                    noise = numpy.sum((decoded - exact[tensor.name]) ** 2)
                    signal = numpy.sum(exact[tensor.name] ** 2)
                    self.assertEqual(decoded.size, exact[tensor.name].size)
                    self.assertGreater(10 * numpy.log10(signal / max(noise, 1e-300)), lowest, tensor.name)

    def test_gguf_decodes_what_qtz_decodes(self):
        imatrix = write_imatrix(self.folder / "made-up.imatrix.gguf", self.quantize(DEMO, "BF16"))
        grids = ("IQ3_XXS", "IQ3_S", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ1_S", "IQ1_M")
        for block_type in ("TQ1_0", "TQ2_0", "MXFP4", "NVFP4", "Q4_K", "IQ4_XS", *grids):
            with self.subTest(block_type):
                path = self.folder / f"all-{block_type}.gguf"
                command = ["quantize", DEMO, "--type", "Q8_0", "--tensor-type", f".*={block_type}"]
                run_qtz(*command, "--imatrix", imatrix, "-o", path, "-q")
                back = self.folder / f"back-{block_type}.gguf"
                run_qtz("quantize", path, "--type", "F32", "--allow-requantize", "-o", back, "-q")
                ours = {t.name: t.data.ravel() for t in gguf.GGUFReader(back).tensors}
                tensors = gguf.GGUFReader(path).tensors
                self.assertIn(block_type, {tensor.tensor_type.name for tensor in tensors})
                for tensor in tensors:
                    theirs = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32).ravel()
                    numpy.testing.assert_array_equal(ours[tensor.name], theirs, tensor.name)

    def test_f32_output_holds_exactly_the_bf16_weights(self):
        raw = (DEMO / "model.safetensors").read_bytes()
        header_bytes = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + header_bytes])
        begin, end = header["model.embed_tokens.weight"]["data_offsets"]
        stored = bf16_to_f32(numpy.frombuffer(raw[8 + header_bytes + begin : 8 + header_bytes + end], dtype=numpy.uint8))
        written = {t.name: t.data for t in gguf.GGUFReader(self.quantize(DEMO, "F32")).tensors}
        numpy.testing.assert_array_equal(written["token_embd.weight"].ravel(), stored)


if __name__ == "__main__":
    unittest.main()
