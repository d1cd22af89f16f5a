#!/usr/bin/env python3
"""Runs one interop test module in the virtual environment made by setup_venv.sh.

Usage: run.py --venv FOLDER --qtz BINARY MODULE

Exit 77 (ctest: skipped) when the environment or a package the module needs is not there.
"""

import argparse
import os
import pathlib
import subprocess
import sys

SKIPPED = 77


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=pathlib.Path, required=True)
    parser.add_argument("--qtz", type=pathlib.Path, required=True)
    parser.add_argument("--needs", action="append", default=[], help="a Python module that must be importable")
    parser.add_argument("module")
    args = parser.parse_args()

    python = args.venv.absolute() / "bin" / "python"
    if not python.exists():
        print(f"SKIPPED: {args.venv} is not there; make it with tests/interop/setup_venv.sh {args.venv}")
        return SKIPPED
    for needed in args.needs:
        if subprocess.run([python, "-c", f"import {needed}"], capture_output=True, check=False).returncode != 0:
            print(f"SKIPPED: the Python package '{needed}' cannot be had here")
            return SKIPPED
    here = pathlib.Path(__file__).resolve().parent
    environment = dict(os.environ, QTZ_BINARY=str(args.qtz.resolve()), PYTHONPATH=str(here))
    return subprocess.run([python, "-m", "unittest", "-v", args.module], cwd=here, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
