#!/usr/bin/env python3
"""Runs one table of cases.py against the binary.

Usage: run_cases.py QTZ TABLE [CASE]     CASE: run only up to and including the case of that name, and show it
"""

import os
import shlex
import subprocess
import sys
import tempfile

import cases
import fixtures


def run(qtz, arguments, folder):
    environment = {key: value for key, value in os.environ.items() if key not in ("QTZ_BACKEND", "NO_COLOR")}
    return subprocess.run(
        [qtz, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=300, check=False
    )


def problems_of(case, result):
    _, _, code, out_pieces, err_pieces = case
    out = result.stdout.decode("utf-8")
    err = result.stderr.decode("utf-8")
    problems = []
    if result.returncode != code:
        problems.append(f"exits {result.returncode}, not {code}")
    if not out_pieces and out:
        problems.append("stdout is not empty")
    for stream, text, pieces in (("stdout", out, out_pieces), ("stderr", err, err_pieces)):
        for piece in pieces:
            if piece.startswith("!"):
                if piece[1:] in text:
                    problems.append(f"{stream} has {piece[1:]!r}")
            elif piece not in text:
                problems.append(f"{stream} lacks {piece!r}")
    for text in (out, err):
        if any(ord(c) < 32 and c not in "\n" for c in text):
            problems.append("control characters in the output")
    if code != 0 and not err.startswith("error: ") and "\nerror: " not in err:
        problems.append("no 'error: ' line")
    if code not in (0, 130, 143) and f"(exit {code})" not in err:
        problems.append("the error does not say its exit code")
    return problems


def main():
    qtz, table = os.path.abspath(sys.argv[1]), cases.ALL[sys.argv[2]]
    last = sys.argv[3] if len(sys.argv) > 3 else None
    failed = 0
    with tempfile.TemporaryDirectory(prefix="qtz cli ") as folder:  # with a blank, as people's folders have
        files = {name: shlex.quote(str(path)) for name, path in fixtures.make_all(folder).items()}
        for case in table:
            arguments = shlex.split(case[1].format(**files))
            result = run(qtz, arguments, folder)
            problems = problems_of(case, result)
            failed += bool(problems)
            if problems or case[0] == last:
                print(f"--- {case[0]}: qtz {shlex.join(arguments)}")
                for problem in problems:
                    print(f"    {problem}")
                print("stdout: " + result.stdout.decode("utf-8", "replace")[:2000])
                print("stderr: " + result.stderr.decode("utf-8", "replace")[:2000])
            if case[0] == last:
                break
    print(f"{len(table)} cases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
