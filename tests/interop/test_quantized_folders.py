"""Folders with quantized weights: numpy's reading of them is bit for bit what qtz reads back, what is left is the original,
and defaults are what vLLM takes."""

import shutil
import unittest

import gguf
import numpy
from packed_folders import load_folder, refusals_of_vllm, settings_of, weights_of
from support import DEMO, FolderTestCase, make_checkpoint, run_qtz

FORMS = [
    ("GPTQ",),
    ("GPTQ", "--checkpoint-format", "gptq_v2"),
    ("GPTQ", "--bits", "3", "--group-size", "64"),
    ("GPTQ", "--bits", "2", "--group-size", "32", "--asym"),
    ("GPTQ", "--bits", "8", "--group-size", "-1"),
    ("AWQ",),
    ("AWQ", "--sym", "--group-size", "32"),
    ("W4A16",),
    ("W4A16", "--asym", "--group-size", "64"),
    ("W4A16", "--bits", "3"),
    ("W8A16",),
    ("W8A16", "--group-size", "128", "--asym"),
    ("W4A16", "--tensor-type", "down_proj=8,group:-1", "--tensor-type", "o_proj=keep"),
]


class QuantizedFolders(FolderTestCase):
    def made(self, model, *flags):
        out = self.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        run_qtz("quantize", model, "--type", *flags, "-o", out)
        return out

    def read_back(self, folder):
        """The tensors that qtz makes of a folder, whose names and places in the model are the hub's."""
        path = self.folder / "back.gguf"
        run_qtz("quantize", folder, "--type", "F32", "-o", path, "--force")
        return {tensor.name: numpy.array(tensor.data) for tensor in gguf.GGUFReader(path).tensors}

    def check(self, model, *flags):
        out = self.made(model, *flags)
        weights, back = weights_of(out), self.read_back(out)
        self.assertTrue(weights)
        for name, expected in weights.items():
            layer = name.split(".")[2]
            parts = {"down_proj": "ffn_down", "up_proj": "ffn_up", "o_proj": "attn_output", "v_proj": "attn_v"}
            part = parts.get(name.split(".")[-1])
            if part is None:
                continue  # rows that GGUF has in another order
            tensor = back.get(f"blk.{layer}.{part}.weight")
            if ".experts." in name:
                tensor = back[f"blk.{layer}.{part}_exps.weight"][int(name.split(".experts.")[1].split(".")[0])]
            numpy.testing.assert_array_equal(tensor, expected, err_msg=name)
        original, found = load_folder(model), load_folder(out)
        for name in original.keys() & found.keys():
            numpy.testing.assert_array_equal(found[name], original[name], err_msg=name)
        self.assertEqual({name for name in original if name not in found}, {name + ".weight" for name in weights})
        for name, expected in weights.items():
            weight = original[name + ".weight"].astype(numpy.float64)
            self.assertLess(((expected - weight) ** 2).sum(), 0.35 * (weight**2).sum(), name)
        return out

    def test_are_read_back_bit_for_bit(self):
        for flags in FORMS:
            with self.subTest(flags):
                self.check(DEMO, *flags, *(("--method", "rtn") if flags[0] in ("GPTQ", "AWQ") else ()))

    def test_have_experts_one_by_one(self):
        model = make_checkpoint("qwen3-moe", self.folder)
        for kind in ("GPTQ", "AWQ", "W4A16"):
            with self.subTest(kind):
                out = self.check(model, kind, "--method", "rtn", "--group-size", "64")
                self.assertTrue(any(".experts.3." in name for name in weights_of(out)))

    def test_are_what_vllm_takes(self):
        text = DEMO / "README.md"
        for flags in (("GPTQ", "--data", text, "--ctx", "64"), ("AWQ", "--method", "rtn"), ("W4A16",), ("W8A16",)):
            with self.subTest(flags):
                self.assertEqual(refusals_of_vllm(self.made(DEMO, *flags)), [])

    def test_that_vllm_does_not_take_are_known_as_such(self):
        self.assertTrue(refusals_of_vllm(self.made(DEMO, "GPTQ", "--method", "rtn", "--bits", "3")))
        self.assertTrue(refusals_of_vllm(self.made(DEMO, "W4A16", "--tensor-type", "q_proj=keep")))

    def test_in_activation_order_have_their_groups(self):
        out = self.check(DEMO, "GPTQ", "--data", DEMO / "README.md", "--ctx", "64", "--desc-act")
        self.assertTrue(settings_of(out)["desc_act"])
        groups = load_folder(out)["model.layers.0.mlp.down_proj.g_idx"]
        self.assertEqual(sorted(numpy.unique(groups, return_counts=True)[1]), [128] * 4)
        self.assertTrue((numpy.diff(groups) < 0).any())


if __name__ == "__main__":
    unittest.main()
