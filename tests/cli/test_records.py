#!/usr/bin/env python3
"""What a run leaves for programs and for later: --json-events and --log-file.

Run by ctest with the binary in $QTZ_BINARY.
"""

import json
import os
import re
import signal
import subprocess
import unittest

from process import PATIENCE, QTZ, ProcessTestCase, run


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


class Events(ProcessTestCase):
    def setUp(self):
        super().setUp()
        self.events = self.folder / "events.jsonl"

    def read(self):
        return lines_of(self.events.read_text())

    def quantize(self, *arguments, **options):
        return run("quantize", self.files["model"], "--type", "Q8_0", "-o", self.folder / "x.gguf", *arguments, **options)

    def test_a_run_is_told_from_start_to_result(self):
        self.assertEqual(self.quantize("--json-events", self.events).returncode, 0)
        told = self.read()
        kinds = [line["event"] for line in told]
        self.assertEqual(kinds[:2], ["start", "plan"])
        self.assertEqual(kinds[-1], "result")
        for line in told:
            self.assertEqual(line["schema"], 1)
            self.assertGreaterEqual(line["elapsed"], 0)
        self.assertEqual(told[0]["command"], "quantize")
        self.assertEqual(kinds.count("tensor"), told[1]["tensors"])
        self.assertEqual(told[1]["files"][0]["bytes"], (self.folder / "x.gguf").stat().st_size)
        self.assertEqual(told[-1]["exit_code"], 0)
        self.assertEqual(told[-1]["outputs"][0]["files"], [str(self.folder / "x.gguf")])

    def test_the_last_event_has_the_exit_code_of_a_failure(self):
        for arguments, code, error in (
            (["quantize", self.folder / "none", "--type", "Q8_0"], 3, "none"),
            (["quantize", self.files["model"], "--type", "Q8_O"], 2, "did you mean Q8_0?"),
            (["verify", self.files["model"] / "config.json"], None, ""),
        ):
            with self.subTest(arguments):
                done = run(*arguments, "--json-events", self.events)
                if code is not None:
                    self.assertEqual(done.returncode, code)
                last = self.read()[-1]
                self.assertEqual((last["event"], last["exit_code"]), ("result", done.returncode))
                self.assertIn(error, last["error"])
                self.assertNotIn("(exit", last["error"])

    def test_an_interrupted_run_says_so(self):
        with open(self.events, "w") as file:
            os.set_inheritable(file.fileno(), True)
            command = [QTZ, "quantize", self.files["long"], "--type", "Q2_K", "--backend", "scalar", "--threads", "1"]
            command += ["-o", self.folder / "long.gguf", "--json-events", f"fd:{file.fileno()}"]
            process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, pass_fds=[file.fileno()])
        self.addCleanup(process.kill)
        while '"plan"' not in self.events.read_text() and process.poll() is None:
            pass
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 143)
        self.assertEqual(self.read()[-1]["exit_code"], 143)

    def test_warnings_are_events(self):
        self.assertEqual(self.quantize("--json-events", self.events, "--tensor-type", "output_norm=Q8_0").returncode, 0)
        told = [line["message"] for line in self.read() if line["event"] == "warning"]
        self.assertTrue(told)

    def test_stdout_is_for_events_or_for_data(self):
        done = self.quantize("--json-events", "-")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(lines_of(done.stdout.decode())[-1]["exit_code"], 0)
        for arguments in (["plan", self.files["model"], "--type", "Q8_0"], ["types"]):
            done = run(*arguments, "--json-events", "-")
            self.assertEqual(done.returncode, 2)
            self.assertIn(b"would mix", done.stderr)

    def test_an_earlier_event_file_is_replaced_and_nothing_else(self):
        self.quantize("--json-events", self.events)
        self.quantize("--json-events", self.events, "--force")
        self.assertEqual([line["event"] for line in self.read()].count("start"), 1)
        precious = self.folder / "precious"
        precious.write_text("weights")
        for flag in ("--json-events", "--log-file"):
            self.assertEqual(self.quantize(flag, precious, "--force").returncode, 5)
            self.assertEqual(precious.read_text(), "weights")

    def test_a_full_disk_behind_the_events_is_said_once(self):
        done = self.quantize("--json-events", "/dev/full")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count(b"cannot be written any more"), 1)

    def test_a_misspelt_flag_or_command_is_an_event_too(self):
        events = self.folder / "e.jsonl"
        for words in (("quantize", self.files["model"], "--tpye", "Q8_0"), ("quantise", self.files["model"])):
            done = run(*words, f"--json-events={events}", "--log-file", self.folder / "log")
            self.assertEqual(done.returncode, 2)
            first, last = [json.loads(line) for line in events.read_text().splitlines()]
            self.assertEqual((first["event"], first["command"]), ("start", words[0]))
            self.assertEqual((last["event"], last["exit_code"]), ("result", 2))
            self.assertTrue((self.folder / "log").read_text().endswith("exit 2\n"))

    def test_descriptors_that_are_not_open_are_refused(self):
        for target in ("fd:99", "fd:", "fd:x", "fd:-1"):
            self.assertEqual(self.quantize("--json-events", target).returncode, 2)


class Log(ProcessTestCase):
    def test_holds_everything_however_quiet_the_screen_is(self):
        log = self.folder / "run.log"
        for _ in range(2):
            done = run("quantize", self.files["model"], "--type", "Q8_0", "-o", self.folder / "x.gguf", "--force", "-q",
                       "--log-file", log)
            self.assertEqual((done.returncode, done.stderr), (0, b""))
        text = log.read_text()
        self.assertEqual(text.count("# qtz log: qtz quantize "), 2)
        stamp = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "
        self.assertRegex(text, re.compile(stamp + r"info    output ", re.M))
        self.assertRegex(text, re.compile(stamp + r"debug   done ", re.M))
        self.assertTrue(text.endswith("exit 0\n"))

    def test_has_the_error_and_the_exit_code(self):
        log = self.folder / "run.log"
        run("quantize", self.folder / "none", "--type", "Q8_0", "--log-file", log)
        self.assertIn("error   ", log.read_text())
        self.assertTrue(log.read_text().endswith("exit 3\n"))

    def test_a_full_disk_behind_it_is_said_once(self):
        done = run("quantize", self.files["model"], "--type", "Q8_0", "-o", self.folder / "x.gguf", "--log-file", "/dev/full")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr.count(b"--log-file cannot be written any more"), 1)

    def test_that_cannot_be_opened_stops_the_run(self):
        done = run("types", "--log-file", self.folder / "no" / "log")
        self.assertEqual(done.returncode, 5)
        self.assertEqual(done.stdout, b"")


if __name__ == "__main__":
    unittest.main()
