"""The page of `qtz compare --html`: one file, the data of --json inside, and nothing a tensor's name can break."""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import fixtures
from html_page import assert_self_contained

QTZ = os.environ.get("QTZ_BINARY", "")


class Html(unittest.TestCase):
    def compare(self, a, b, folder):
        page = pathlib.Path(folder) / "page.html"
        run = subprocess.run([QTZ, "compare", a, b, "--html", page, "--json"], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        return page.read_text(encoding="utf-8"), json.loads(run.stdout)

    def test_is_one_file_with_the_data_of_the_json(self):
        demo = pathlib.Path(__file__).resolve().parents[1] / "data" / "demo"
        with tempfile.TemporaryDirectory() as folder:
            small = pathlib.Path(folder) / "small.gguf"
            subprocess.run([QTZ, "quantize", demo, "--type", "Q3_K_S", "-q", "-o", small], check=True)
            text, expected = self.compare(demo, small, folder)
        page = assert_self_contained(self, text)
        self.assertEqual(json.loads(page.data), expected)
        worst = next(t for t in expected["tensors"] if t["name"] == "blk.0.attn_q.weight")
        self.assertEqual(worst["b_type"], "Q3_K")
        self.assertEqual([code for code, _ in worst["histogram"]["b_codes"]], list(range(-4, 4)))
        self.assertEqual(sum(worst["histogram"]["a"]), worst["elements"])

    def test_holds_names_that_look_like_markup(self):
        name = "</script><script>alert(1)</script><!--"
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "odd.safetensors"
            fixtures.write_safetensors(path, {name: ("F32", [2], b"\0\0\x80\x3f" * 2)})
            text, expected = self.compare(path, path, folder)
        page = assert_self_contained(self, text)
        self.assertEqual(json.loads(page.data)["tensors"][0]["name"], name)
        self.assertNotIn("alert(1)</script>", text)


if __name__ == "__main__":
    unittest.main()
