#!/usr/bin/env python3
"""The corpus of bad inputs: makes each from nothing, runs qtz on it, and checks how it ends.

Usage: bad_files.py run QTZ [--sanitized] [ID ...]    ID ("H07"): only these, with what qtz says
       bad_files.py write FOLDER                      the files alone, as FOLDER/ID-N/...
       bad_files.py count                             cases by family, and what is left out
"""

import collections
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))

import bad_case
import command_lines
import gguf_files
import left_out
import model_folders
import output_places
import safetensors_headers
import tokenizers
import vocabulary_files
import weight_values

TABLE = [*safetensors_headers.CASES, *model_folders.CASES, *tokenizers.CASES, *vocabulary_files.CASES, *weight_values.CASES, *output_places.CASES, *command_lines.CASES, *gguf_files.CASES]

FAMILIES = {
    "H": ("safetensors headers", 40),
    "C": ("folders, indexes, configurations", 25),
    "K": ("tokenizers and importance matrices", 15),
    "N": ("weights", 15),
    "O": ("outputs", 24),
    "S": ("processes and command lines", 22),
    "G": ("GGUF files", 30),
}  # fmt: skip

IDS = [f"{family}{number:02}" for family, (_, count) in FAMILIES.items() for number in range(1, count + 1)]


def problems_of_account():
    """Every id is either in the table or left out with a reason."""
    cases = {case.id for case in TABLE}
    problems = [f"{id} is neither a case nor left out" for id in IDS if id not in cases and id not in left_out.REASONS]
    problems += [f"{id} is a case and left out" for id in sorted(cases & set(left_out.REASONS))]
    problems += [f"{id} is no id" for id in sorted((cases | set(left_out.REASONS)) - set(IDS))]
    names = collections.Counter((case.id, case.name) for case in TABLE)
    problems += [f"{id} '{name}' is there {n} times" for (id, name), n in names.items() if n > 1]
    return problems


def print_counts():
    print(f"{'family':<42} {'ids':>4} {'left out':>9} {'cases':>6} {'runs':>5}")
    total = [0, 0, 0, 0]
    for family, (what, ids) in FAMILIES.items():
        cases = [case for case in TABLE if case.id.startswith(family)]
        out = sum(id.startswith(family) for id in left_out.REASONS)
        row = [ids, out, len(cases), sum(len(case.commands) for case in cases)]
        total = [a + b for a, b in zip(total, row)]
        print(f"{family + '  ' + what:<42} {row[0]:>4} {row[1]:>9} {row[2]:>6} {row[3]:>5}")
    print(f"{'all':<42} {total[0]:>4} {total[1]:>9} {total[2]:>6} {total[3]:>5}")


def run(qtz, arguments):
    bounds = bad_case.Bounds("--sanitized" in arguments)
    wanted = [argument for argument in arguments if not argument.startswith("-")]
    failed, skipped = 0, []
    for case in TABLE:
        if wanted and case.id not in wanted:
            continue
        if case.bare and os.geteuid() == 0:
            skipped.append(f"{case.id} {case.name}")
            continue
        if wanted:
            print(f"{case.id} {case.name}")
        with tempfile.TemporaryDirectory(prefix="qtz bad ") as folder:  # with a blank, as people's folders have
            problems = bad_case.check(case, qtz, pathlib.Path(folder) / "case", bounds, show=bool(wanted))
        failed += bool(problems)
        for problem in problems:
            print(f"--- {case.id} {case.name}: {problem}")
    account = problems_of_account()
    for problem in account:
        print(f"--- {problem}")
    print_counts()
    for case in skipped:
        print(f"skipped, permissions do not bind root: {case}")
    print(f"{failed} failed")
    return 1 if failed or account else 0


def write(folder):
    numbers = collections.Counter()
    for case in TABLE:
        numbers[case.id] += 1
        place = pathlib.Path(folder) / f"{case.id}-{numbers[case.id]}"
        (place / "out").mkdir(parents=True)
        case.make(place)
    return 0


def main():
    match sys.argv[1:]:
        case ["run", qtz, *arguments]:
            return run(os.path.abspath(qtz), arguments)
        case ["write", folder]:
            return write(folder)
        case ["count"]:
            print_counts()
            for id, reason in left_out.REASONS.items():
                print(f"{id}  {reason}")
            return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
