"""Folders with quantized weights: what comes out, and that the model still is what it was."""

import json
import pathlib
import shutil
import struct
import unittest

import fixtures
from process import ProcessTestCase, run

PROSE = (fixtures.DEMO / "README.md").read_text(encoding="utf-8") * 8


def header_of(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length])


class QuantizedFolders(ProcessTestCase):
    def setUp(self):
        super().setUp()
        self.text = self.folder / "prose.txt"
        self.text.write_text(PROSE, encoding="utf-8")

    def made(self, name, *flags):
        out = self.folder / name
        result = run("quantize", fixtures.DEMO, "-o", out, *flags)
        self.assertEqual(result.returncode, 0, result.stderr)
        return out

    def divergence(self, *models):
        result = run("eval", *models, "--reference", fixtures.DEMO, "--data", self.text, "--ctx", "128", "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return [model["kld"]["mean"]["value"] for model in json.loads(result.stdout)["models"]]

    def test_have_everything_a_reader_wants(self):
        for kind, method in (("GPTQ", "gptq"), ("AWQ", "awq"), ("W4A16", "compressed-tensors")):
            with self.subTest(kind):
                out = self.made(f"whole-{kind}", "--type", kind, "--method", "rtn")
                config = json.loads((out / "config.json").read_text())
                self.assertEqual(config["quantization_config"]["quant_method"], method)
                original = json.loads((fixtures.DEMO / "config.json").read_text())
                self.assertEqual({key: config[key] for key in original}, original)
                for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
                    self.assertEqual((out / name).read_bytes(), (fixtures.DEMO / name).read_bytes())
                card = (out / "README.md").read_text()
                self.assertIn(f"--type {kind} --method rtn", card)
                self.assertNotIn(str(self.folder), card)
                self.assertEqual((out / "README.original.md").read_bytes(), (fixtures.DEMO / "README.md").read_bytes())
                header = header_of(out / "model.safetensors")
                self.assertIn("model.embed_tokens.weight", header)
                self.assertFalse([name for name in header if name.endswith("_proj.weight")])

    def test_lose_less_with_texts_than_without(self):
        for flags in (("--type", "GPTQ", "--bits", "3"), ("--type", "AWQ",), ("--type", "W4A16", "--bits", "3", "--group-size", "64")):
            with self.subTest(flags):
                name = "-".join(flags)
                rounded = self.made(f"rtn{name}", *flags, "--method", "rtn")
                texts = self.made(f"gptq{name}", *flags, "--method", "gptq", "--data", self.text, "--ctx", "128")
                plain, better = self.divergence(rounded, texts)
                self.assertLess(better, 0.7 * plain)

    def test_are_the_same_with_any_number_of_threads_and_on_any_backend(self):
        first = self.made("one", "--type", "W4A16", "--threads", "1", "--backend", "scalar")
        second = self.made("two", "--type", "W4A16", "--threads", "3")
        self.assertEqual((first / "model.safetensors").read_bytes(), (second / "model.safetensors").read_bytes())

    def test_in_little_memory_are_nearly_as_good(self):
        flags = ("--type", "W4A16", "--data", self.text, "--ctx", "128", "--samples", "64")
        small = self.made("small", *flags, "--max-memory", "110M")
        large = self.made("large", *flags)
        # A layer's inputs come from the layers before it then, not from the matrices before it.
        self.assertNotEqual((small / "model.safetensors").read_bytes(), (large / "model.safetensors").read_bytes())
        found = self.divergence(small, large)
        self.assertLess(found[0], 1.5 * found[1])

    def test_come_in_shards(self):
        out = self.made("shards", "--type", "GPTQ", "--method", "rtn", "--split-max-size", "500K")
        index = json.loads((out / "model.safetensors.index.json").read_text())
        shards = set(index["weight_map"].values())
        self.assertGreater(len(shards), 2)
        for shard in shards:
            for name in header_of(out / shard):
                if name != "__metadata__":
                    self.assertEqual(index["weight_map"][name], shard)
        self.assertEqual(run("quantize", out, "--type", "Q8_0", "-o", self.folder / "again.gguf").returncode, 0)

    def test_follow_rules_as_plan_prints_them(self):
        recipe = self.folder / "rules"
        planned = run("plan", fixtures.DEMO, "--type", "W4A16", "--tensor-type", "down_proj=8", "--tensor-type", "o_proj=keep")
        self.assertEqual(planned.returncode, 0, planned.stderr)
        recipe.write_bytes(planned.stdout)
        direct = self.made("direct", "--type", "W4A16", "--tensor-type", "down_proj=8", "--tensor-type", "o_proj=keep")
        from_file = self.made("file", "--type", "W4A16", "--recipe", recipe, "--tensor-type", "o_proj=keep")
        self.assertEqual((direct / "model.safetensors").read_bytes(), (from_file / "model.safetensors").read_bytes())
        self.assertIn("model.layers.0.self_attn.o_proj.weight", header_of(direct / "model.safetensors"))

    def test_are_not_replaced_unless_they_are_models(self):
        out = self.made("once", "--type", "W4A16")
        self.assertEqual(run("quantize", fixtures.DEMO, "--type", "W4A16", "-o", out).returncode, 5)
        self.made("once", "--type", "W4A16", "--bits", "8", "--force")
        home = self.folder / "home"
        home.mkdir()
        (home / "letter.txt").write_text("precious")
        result = run("quantize", fixtures.DEMO, "--type", "W4A16", "-o", home, "--force")
        self.assertEqual(result.returncode, 5)
        self.assertIn(b"no model's folder", result.stderr)
        copy = pathlib.Path(shutil.copytree(fixtures.DEMO, self.folder / "source"))
        result = run("quantize", copy, "--type", "W4A16", "-o", copy, "--force")
        self.assertEqual(result.returncode, 5)
        self.assertTrue((home / "letter.txt").exists() and (copy / "model.safetensors").exists())

    def test_refuse_texts_that_say_too_little(self):
        short = self.folder / "short.txt"
        short.write_text("too short")
        result = run("quantize", fixtures.DEMO, "--type", "GPTQ", "--data", short, "-o", self.folder / "no")
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertFalse((self.folder / "no").exists())

    def test_tell_programs_what_came_out(self):
        result = run("quantize", fixtures.DEMO, "--type", "W8A16", "-o", self.folder / "told", "--json")
        told = json.loads(result.stdout)
        self.assertEqual(told["type"], "W8A16")
        self.assertEqual(told["bytes"], sum(each.stat().st_size for each in (self.folder / "told").iterdir()))
        self.assertGreater(told["bits_per_weight"], 8)


if __name__ == "__main__":
    unittest.main()
