"""The page of `qtz eval --html`: one file, the data of --json inside, and nothing a name or a text can break."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import fixtures
from html_page import assert_self_contained

QTZ = os.environ.get("QTZ_BINARY", "")
MARKUP = "</script><script>alert(1)</script><!--"


class Html(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)
        cls.models = [cls.folder / f"demo-{name}.gguf" for name in ("Q8_0", "Q3_K_S")]
        for path, name in zip(cls.models, ("Q8_0", "Q3_K_S")):
            subprocess.run([QTZ, "quantize", fixtures.DEMO, "--type", name, "-q", "-o", path], check=True)
        cls.text = cls.folder / "text.txt"
        words = (fixtures.DEMO / "README.md").read_text(encoding="utf-8")
        cls.text.write_text(f"{words}\n{MARKUP}\n" * 8, encoding="utf-8")

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def evaluate(self, models, *flags):
        page = self.folder / "page.html"
        command = [QTZ, "eval", *models, "--data", self.text, "--ctx", "64", "--html", page, "--force", "--json", *flags]
        run = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        text = page.read_text(encoding="utf-8")
        return assert_self_contained(self, text), text, json.loads(run.stdout)

    def test_is_one_file_with_the_data_of_the_json(self):
        page, text, expected = self.evaluate(self.models, "--reference", fixtures.DEMO)
        self.assertEqual(json.loads(page.data), expected)
        for part in ("models", "plot", "spread", "percentiles", "changes", "worst"):
            self.assertIn(part, page.ids)
        self.assertNotIn("alert(1)</script>", text)

    def test_has_every_number_with_its_error(self):
        _, _, found = self.evaluate(self.models, "--reference", fixtures.DEMO, "--worst", "5")
        for model in found["models"]:
            self.assertAlmostEqual(model["bits_per_weight"], 8 * model["bytes"] / model["elements"])
            kld, change = model["kld"], model["kld"]["probability_change"]
            shares = [kld[name] for name in ("median", "percentile_90", "percentile_95", "percentile_99", "percentile_99_9")]
            for estimate in [model["perplexity"], kld["mean"], kld["same_top"], kld["perplexity_ratio"], *shares, *change.values()]:
                self.assertGreater(estimate["error"], 0)
            rising = [estimate["value"] for estimate in shares]
            self.assertEqual(rising, sorted(rising))
            spread = kld["distribution"]
            self.assertEqual(spread[-1], [1, kld["maximum"]])
            self.assertEqual(len(kld["worst"]), 5)
            worst = kld["worst"][0]
            self.assertEqual(worst["kld"], kld["maximum"])
            self.assertTrue(worst["before"] and worst["text"] and worst["guessed_text"])
        large, small = found["models"]
        self.assertLess(large["kld"]["mean"]["value"], small["kld"]["mean"]["value"])

    def test_does_without_a_reference(self):
        page, _, expected = self.evaluate(self.models[:1])
        self.assertEqual(json.loads(page.data), expected)
        self.assertNotIn("reference", expected)
        self.assertNotIn("kld", expected["models"][0])

    def test_holds_names_that_look_like_markup(self):
        odd = self.folder / "<img src=x onerror=alert(1)>.gguf"
        shutil.copyfile(self.models[0], odd)
        page, text, expected = self.evaluate([odd])
        self.assertEqual(expected["models"][0]["model"], str(odd))
        self.assertEqual(json.loads(page.data), expected)
        self.assertNotIn("img", page.open_tags)
        self.assertNotIn("<img", text)

    def test_shows_the_same_numbers_in_words(self):
        command = [QTZ, "eval", *self.models, "--data", self.text, "--ctx", "64", "--reference", fixtures.DEMO]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for title in ("PPL RATIO", "MEAN KLD", "SAME TOP %", "MEDIAN", "90%", "95%", "99%", "99.9%", "MAXIMUM", "MEAN DP", "RMS DP"):
            self.assertIn(title, said)
        tables = re.findall(r"^MODEL.*\n.*(Q3_K_S|Q8_0)\.gguf.*\n.*(Q3_K_S|Q8_0)\.gguf", said, re.MULTILINE)
        self.assertEqual(tables, [("Q3_K_S", "Q8_0")] * 3, "smallest first")

    def test_refuses_to_replace_what_it_reads(self):
        for path in (self.models[0], self.text):
            command = [QTZ, "eval", self.models[0], "--data", self.text, "--ctx", "64", "--html", path, "--force"]
            before = path.read_bytes()
            run = subprocess.run(command, capture_output=True, text=True)
            self.assertEqual(run.returncode, 5, run.stderr)
            self.assertEqual(path.read_bytes(), before)


if __name__ == "__main__":
    unittest.main()
