"""`cmake --install`: a program with its pages, and nothing of a library."""
import os
import pathlib
import subprocess
import tempfile
import unittest

DEMO = pathlib.Path(__file__).resolve().parents[1] / "data" / "demo"

FILES = {
    "bin/qtz",
    "share/bash-completion/completions/qtz",
    "share/doc/qtz/CHANGELOG.md",
    "share/doc/qtz/README.md",
    "share/doc/qtz/copyright",
    "share/fish/vendor_completions.d/qtz.fish",
    "share/man/man1/qtz.1",
    "share/zsh/vendor-completions/_qtz",
}


class Install(unittest.TestCase):
    def test_gives_a_program_that_works_and_no_library(self):
        with tempfile.TemporaryDirectory(prefix="qtz install ") as folder:
            prefix = pathlib.Path(folder) / "prefix"
            subprocess.run([os.environ["QTZ_CMAKE"], "--install", os.environ["QTZ_BUILD"], "--prefix", prefix],
                           check=True, stdout=subprocess.DEVNULL)
            found = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir()}
            self.assertEqual(found, FILES)

            qtz, output = prefix / "bin" / "qtz", pathlib.Path(folder) / "demo.gguf"
            version = subprocess.run([qtz, "--version"], check=True, capture_output=True, text=True).stdout
            self.assertTrue(version.startswith("qtz "), version)
            subprocess.run([qtz, "quantize", DEMO, "--type", "Q4_K_M", "-q", "-o", output], check=True)
            subprocess.run([qtz, "verify", output, "--source", DEMO, "-q"], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    unittest.main()
