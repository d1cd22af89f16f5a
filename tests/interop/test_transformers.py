"""transformers loads what qtz writes: the very weights of the original folder, and the same logits."""

import json
import os
import pathlib
import shutil
import unittest

os.environ.update(HF_HUB_OFFLINE="1", TQDM_DISABLE="1", TRANSFORMERS_VERBOSITY="error")

import gguf
import numpy
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from support import ARCHITECTURES, DEMO, FolderTestCase, make_checkpoint, run_qtz

transformers.logging.disable_progress_bar()

# The folders of tests/data/arch whose GGUF transformers 5.24 reads completely, configuration included.
WHOLE = ["bloom", "lfm2", "llama", "mamba", "minimax-m2", "mistral", "nemotron", "phi3", "qwen2", "qwen3-5"]
# Those whose weights it reads, but whose configuration only in part: the folder's own config.json is given to it.
WITHOUT_CONFIG = {
    "gemma2": "assumes 256 for query_pre_attn_scalar",
    "gemma3": "assumes 256 for query_pre_attn_scalar",
    "gpt2": "does not read n_positions",
    "llama-bias": "does not see that there are biases",
    "llama3": "does not undo the factors of rope_parameters",
    "phi4-long": "does not read the factors of rope_parameters",
    "qwen3": "does not read head_dim",
    "qwen3-moe": "does not read moe_intermediate_size",
}
# Not loaded, whoever wrote the file: gpt-oss (it fails on rope.scaling.factor), mixtral (it takes it for a dense llama),
# qwen2-moe (it wants one dimension for the shared expert's gate where llama.cpp's converter writes two).

# It undoes -exp(A_log) with a logarithm: equal within the rounding of the two.
COMPUTED = "A_log"
COMPUTED_LIMIT = 1e-6
LOGIT_LIMIT = 1e-5  # in standard deviations
QUANTIZED = ["Q8_0", "Q4_K_M", "Q2_K", "IQ4_XS"]
DEMO_IDS = [2046, 84, 260, 311, 423, 77, 501, 988, 1406, 1898, 464, 1104, 1818, 606, 1468, 404]


def load(folder, **more):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager", **more)
    return model.eval()


def logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].numpy().astype(numpy.float64)


class TransformersLoads(FolderTestCase):
    def checkpoints(self):
        """(folder, what to give to from_pretrained, token ids, stored logits or None), one after the other."""
        for name in sorted([*WHOLE, *WITHOUT_CONFIG]):
            with self.subTest(name):
                folder = make_checkpoint(name, self.folder)
                more = {"config": AutoConfig.from_pretrained(folder)} if name in WITHOUT_CONFIG else {}
                facts = json.loads((ARCHITECTURES / name / "logits.json").read_text())
                stored = numpy.load(ARCHITECTURES / name / "logits.npy").astype(numpy.float64)
                yield folder, more, facts["input_ids"], (facts["positions"], stored)
                shutil.rmtree(folder)
        with self.subTest("demo"):
            folder = shutil.copytree(DEMO, self.folder / "demo", dirs_exist_ok=True)
            yield folder, {}, DEMO_IDS, None

    def write(self, source, folder, file_type, *flags):
        """A GGUF beside the checkpoint's other files, where transformers looks for it; returns its name."""
        name = f"{pathlib.Path(source).stem}-as-{file_type}.gguf"
        run_qtz("quantize", source, "--type", file_type, "-o", folder / name, "-q", *flags)
        return name

    def assert_same_state(self, found, expected):
        self.assertEqual(set(found), set(expected))
        for key, value in expected.items():
            self.assertEqual(found[key].shape, value.shape, key)
            if key.endswith(COMPUTED):
                torch.testing.assert_close(found[key], value, rtol=COMPUTED_LIMIT, atol=COMPUTED_LIMIT, msg=key)
            else:
                self.assertTrue(torch.equal(found[key], value), key)

    def test_an_f32_file_has_the_weights_and_logits_of_the_folder(self):
        checked = 0
        for folder, more, ids, stored in self.checkpoints():
            original = load(folder)
            ours = load(folder, gguf_file=self.write(folder, folder, "F32"), **more)
            self.assert_same_state(ours.state_dict(), original.state_dict())
            expected, found = logits(original, ids), logits(ours, ids)
            self.assertLess(numpy.abs(found - expected).max() / expected.std(), LOGIT_LIMIT)
            if stored is not None:
                positions, values = stored
                self.assertLess(numpy.abs(found[positions] - values).max() / values.std(), 1e-3)
            checked += 1
        self.assertEqual(checked, len(WHOLE) + len(WITHOUT_CONFIG) + 1)

    def test_quantized_files_are_decoded_to_what_qtz_decodes(self):
        for folder, more, ids, _ in self.checkpoints():
            exact = logits(load(folder), ids)
            for file_type in QUANTIZED:
                with self.subTest(f"{folder.name} {file_type}"):
                    quantized = self.write(folder, folder, file_type)
                    decoded = self.write(folder / quantized, folder, "F32", "--allow-requantize")
                    plain = {t.name: t.data for t in gguf.GGUFReader(folder / decoded).tensors}
                    for tensor in gguf.GGUFReader(folder / quantized).tensors:
                        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
                        numpy.testing.assert_array_equal(values, plain[tensor.name], err_msg=tensor.name)
                    theirs = load(folder, gguf_file=quantized, **more)
                    self.assert_same_state(theirs.state_dict(), load(folder, gguf_file=decoded, **more).state_dict())
                    if file_type == "Q8_0":
                        self.assertLess(numpy.abs(logits(theirs, ids) - exact).max() / exact.std(), 0.3)


if __name__ == "__main__":
    unittest.main()
