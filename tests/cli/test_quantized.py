"""Folders whose weights are quantized already, as source of a file, beside it in verify and compare."""

import json
import re
import unittest

import quantized_folders
from process import ProcessTestCase, run

TYPES = {method: "NVFP4" if method == "nvfp4" else "Q8_0" for method in quantized_folders.METHODS}


class Folders(ProcessTestCase):
    def folder_of(self, method):
        return quantized_folders.write_folder(method, self.folder / method)

    def made(self, source, file_type):
        out = self.folder / f"{source.name}-{file_type}.gguf"
        result = run("quantize", source, "--type", file_type, "-o", out)
        self.assertEqual(result.returncode, 0, result.stderr)
        return out

    def test_are_verified_and_compared_as_they_were_quantized(self):
        for method, file_type in TYPES.items():
            with self.subTest(method):
                source = self.folder_of(method)
                out = self.made(source, file_type)
                verified = run("verify", out, "--source", source, "--json")
                self.assertEqual(verified.returncode, 0, verified.stderr)
                tensors = json.loads(verified.stdout)["tensors"]
                self.assertTrue(all(tensor["compared"] and tensor["reproduced"] for tensor in tensors))
                compared = run("compare", source, out)
                self.assertEqual(compared.returncode, 0, compared.stderr)
                self.assertNotIn(b"only in", re.sub(rb"keys only in .*", b"", compared.stderr))
                self.assertIn(b"%d tensors in both" % len(tensors), compared.stderr)

    def test_show_a_changed_byte_in_verify(self):
        for method, file_type in TYPES.items():
            with self.subTest(method):
                source = self.folder_of(method)
                out = self.made(source, file_type)
                data = bytearray(out.read_bytes())
                data[-1000] ^= 0x40  # among the last layer's codes or scales
                out.write_bytes(data)
                verified = run("verify", out, "--source", source)
                self.assertEqual(verified.returncode, 7, verified.stderr)

    def test_in_nvfp4_are_other_tensors_for_other_types(self):
        source = self.folder_of("nvfp4")
        kept = run("compare", source, self.made(source, "NVFP4"), "--json")
        decoded = run("compare", source, self.made(source, "BF16"), "--json")
        types = [{t["name"]: t["a_type"] for t in json.loads(each.stdout)["tensors"]} for each in (kept, decoded)]
        self.assertEqual(types[0]["blk.0.ffn_up.weight"], "NVFP4")
        self.assertEqual(types[0]["blk.0.ffn_up.scale"], "F32")
        self.assertEqual(types[1]["blk.0.ffn_up.weight"], "F32")
        self.assertNotIn("blk.0.ffn_up.scale", types[1])

    def test_that_cannot_be_read_are_refused_by_every_command(self):
        source = self.folder_of("auto-round")
        out = self.made(source, "Q8_0")
        config = json.loads((source / "config.json").read_text())
        config["quantization_config"]["packing_format"] = "auto_round:llm_compressor"
        (source / "config.json").write_text(json.dumps(config))
        for command in (["quantize", source, "--type", "Q4_0"], ["plan", source, "--type", "Q4_0"],
                        ["verify", out, "--source", source], ["compare", source, out], ["compare", out, source]):
            with self.subTest(command[0]):
                result = run(*command)
                self.assertEqual(result.returncode, 4, result.stderr)
                self.assertIn(b"'packing_format' 'auto_round:llm_compressor' cannot be read", result.stderr)


if __name__ == "__main__":
    unittest.main()
