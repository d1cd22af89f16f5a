#!/usr/bin/env python3
"""tools/check_layers.py finds what it is there to find."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

CHECKER = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_layers.py"


def check(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        result = subprocess.run([sys.executable, CHECKER, folder], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout


class CheckLayers(unittest.TestCase):
    BASE = {
        "include/qtz/core/a.h": "#include <vector>\n",
        "include/qtz/formats/b.h": '#include "qtz/core/a.h"\n',
        "src/quants/text.h": '#include "qtz/core/a.h"\n',
        "src/formats/private.h": "\n",
        "src/kernels/level_x.cpp": '#include "quants/text.h"\n#include <xsimd/xsimd.hpp>\n',
        "src/cli/c.cpp": '#include "qtz/formats/b.h"\n#include <CLI/CLI.hpp>\n#include <iostream>\n',
    }

    def test_a_good_tree_passes(self):
        code, out = check(self.BASE)
        self.assertEqual(code, 0, out)

    def test_violations_are_found_where_they_are(self):
        for file, line in {
            "include/qtz/core/up.h": '#include "qtz/formats/b.h"',
            "src/model/sideways.cpp": '#include "quants/text.h"',
            "src/cli/peek.cpp": '#include "formats/private.h"',
            "src/model/library.cpp": "#include <nlohmann/json.hpp>",
            "src/pipeline/loud.cpp": "#include <iostream>",
            "src/core/missing.cpp": '#include "nowhere.h"',
            "src/core/foreign.cpp": "#include <boost/any.hpp>",
            "src/attic/floor.cpp": "",
            "src/formats/a.h": "",
        }.items():
            with self.subTest(file):
                code, out = check({**self.BASE, file: f"// first line\n{line}\n"})
                self.assertEqual(code, 1, out)
                self.assertIn(f"{file}:{2 if line else 1}:", out)


if __name__ == "__main__":
    unittest.main()
