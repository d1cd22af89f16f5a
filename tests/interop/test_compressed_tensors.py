"""transformers and compressed-tensors load folders with quantized weights and compute what a model of the decoded weights
computes."""

import json
import unittest

import torch
from compressed_tensors.compressors import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationConfig, QuantizationScheme
from packed_folders import load_folder, scheme_of, settings_of, weights_of
from support import DEMO, FolderTestCase, run_qtz
from transformers import AutoModelForCausalLM, AwqConfig, GPTQConfig

IDS = [1, *((i * i * 37 + 11 * i) % 1000 + 3 for i in range(1, 64))]


def logits(model):
    with torch.no_grad():
        return model(torch.tensor([IDS])).logits[0]


def load(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


class CompressedTensors(FolderTestCase):
    def made(self, *flags):
        out = self.folder / "-".join(flags).replace(":", "")
        run_qtz("quantize", DEMO, "--type", *flags, "-o", out, "--force")
        return out

    def with_decoded_weights(self, folder):
        model = load(DEMO)
        modules = dict(model.named_modules())
        with torch.no_grad():
            for name, weight in weights_of(folder).items():
                modules[name].weight.copy_(torch.from_numpy(weight.copy()))
        return model

    def test_transformers_computes_the_same(self):
        for flags in (("W4A16",), ("W4A16", "--group-size", "32"), ("W8A16",), ("W4A16", "--bits", "3"), ("W4A16", "--tensor-type", "down_proj=8,group:-1")):
            with self.subTest(flags):
                out = self.made(*flags)
                found, expected = logits(load(out)), logits(self.with_decoded_weights(out))
                self.assertLess((found - expected).abs().max(), 1e-4 * expected.std())

    def test_the_library_decodes_the_same(self):
        # transformers does not get as far with zero points: compressed-tensors 0.20 prepares them unpacked and loads them packed.
        for flags in (("W4A16", "--asym"), ("W8A16", "--asym", "--group-size", "64"), ("W4A16", "--bits", "3", "--asym")):
            with self.subTest(flags):
                out = self.made(*flags)
                settings, tensors = settings_of(out), load_folder(out)
                for name, expected in weights_of(out).items():
                    parts = {part: torch.from_numpy(tensors[f"{name}.{part}"].copy()) for part in ("weight_packed", "weight_scale", "weight_zero_point", "weight_shape")}
                    scheme = QuantizationScheme(targets=["Linear"], weights=scheme_of(name, settings))
                    weight = PackedQuantizationCompressor.decompress(parts, scheme)["weight"]
                    self.assertTrue(torch.equal(weight.float(), torch.from_numpy(expected.copy())), name)

    def test_configurations_are_understood(self):
        for flags in (("W4A16",), ("W8A16", "--asym"), ("W4A16", "--tensor-type", "o_proj=8,asym")):
            QuantizationConfig.model_validate(settings_of(self.made(*flags)))
        for flags, config in ((("GPTQ", "--method", "rtn"), GPTQConfig), (("AWQ", "--method", "rtn"), AwqConfig)):
            settings = json.loads(json.dumps(settings_of(self.made(*flags))))
            understood = config(**settings)
            self.assertEqual((understood.bits, understood.group_size), (4, 128))


if __name__ == "__main__":
    unittest.main()
