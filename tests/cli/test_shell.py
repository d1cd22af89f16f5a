#!/usr/bin/env python3
"""The completion scripts, in the shells themselves where they are installed, and the manual page.

Run by ctest with the binary in $QTZ_BINARY.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from process import PATIENCE, QTZ, run

SHELLS = ("bash", "zsh", "fish")


def script(shell):
    done = run("completions", shell)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def long_flags(command):
    """The flags of a command's help."""
    return set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", run(command, "-h").stdout.decode(), re.M))


class Completions(unittest.TestCase):
    def in_shell(self, shell, code):
        if shutil.which(shell) is None:
            self.skipTest(f"{shell} is not installed")
        with tempfile.TemporaryDirectory(prefix="qtz shell ") as folder:
            path = pathlib.Path(folder) / "script"
            path.write_text(script(shell))
            environment = {**os.environ, "PATH": f"{pathlib.Path(QTZ).parent}:{os.environ['PATH']}", "SCRIPT": str(path)}
            done = subprocess.run(
                [shell, "-c", code], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def bash(self, *words):
        quoted = " ".join("'" + word + "'" for word in words)
        return self.in_shell(
            "bash",
            f'source "$SCRIPT"; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _qtz; echo "${{COMPREPLY[@]}}"',
        )

    def test_every_command_and_flag_is_in_every_script(self):
        for shell in SHELLS:
            text = script(shell)
            for command in ("quantize", "plan", "inspect", "verify", "types", "bench"):
                self.assertIn(command, text)
                for flag in long_flags(command):
                    self.assertIn(flag if shell != "fish" else f"-l {flag[2:]}", text, shell)

    def test_bash_offers_commands_flags_and_values(self):
        self.assertEqual(self.bash("qtz", "qu"), ["quantize"])
        self.assertEqual(self.bash("qtz", "quantize", "--leave"), ["--leave-output-tensor"])
        self.assertEqual(self.bash("qtz", "quantize", "x", "--type", "Q4_K"), ["Q4_K_S", "Q4_K_M"])
        self.assertEqual(self.bash("qtz", "quantize", "--type", "=", "Q8"), ["Q8_0"])
        self.assertEqual(self.bash("qtz", "plan", "--on-nan", ""), ["fail", "zero", "keep"])
        self.assertEqual(self.bash("qtz", "completions", ""), ["bash", "fish", "zsh"])

    def test_bash_leaves_files_to_the_shell(self):
        self.assertEqual(self.bash("qtz", "quantize", "--recipe", ""), [])
        self.assertEqual(self.bash("qtz", "quantize", ""), [])

    def test_fish_offers_flags_and_values(self):
        self.assertIn("--type", self.in_shell("fish", 'source "$SCRIPT"; complete -C "qtz quantize --ty"'))
        self.assertIn("Q8_0", self.in_shell("fish", 'source "$SCRIPT"; complete -C "qtz quantize --type Q8"'))

    def test_zsh_reads_its_script(self):
        self.in_shell("zsh", 'zsh -n "$SCRIPT"')

    def test_zsh_takes_two_files_one_after_the_other(self):
        script = run("completions", "zsh").stdout.decode()
        compare = script[script.index("    compare)"):]
        compare = compare[:compare.index(";;")]
        self.assertIn("'1:A:_files'", compare)
        self.assertIn("'2:B:_files'", compare)

    def test_an_unknown_shell_is_refused(self):
        done = run("completions", "tcsh")
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"bash, fish, zsh", done.stderr)


class Manual(unittest.TestCase):
    def test_has_every_flag_and_no_roff_error(self):
        if shutil.which("groff") is None:
            self.skipTest("groff is not installed")
        page = run("man").stdout
        done = subprocess.run(
            ["groff", "-man", "-Tascii", "-ww", "-P-cbou"], input=page, capture_output=True, timeout=PATIENCE, check=False
        )
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        text = done.stdout.decode()
        for command in ("quantize", "plan", "inspect", "verify", "bench"):
            for flag in long_flags(command):
                self.assertIn(flag, text)
        self.assertIn("130, 143, 129", text)


if __name__ == "__main__":
    unittest.main()
