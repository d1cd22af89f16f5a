#!/usr/bin/env python3
"""How qtz behaves as a process: signals, closed and broken streams, terminals, locales, what is left on the disk.

Run by ctest with the binary in $QTZ_BINARY.
"""

import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import time
import unittest

import fixtures
from process import PATIENCE, QTZ, ProcessTestCase, clean_environment, run, sha256


class Signals(ProcessTestCase):
    def check(self, number, times):
        process = self.start_long()
        for _ in range(times):
            process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 128 + number)
        self.assertEqual(self.names(), [], "something was left behind")
        if times == 1:
            self.assertIn(b"interrupted", err)

    def test_interrupt_leaves_nothing(self):
        self.check(signal.SIGINT, 1)

    def test_terminate_leaves_nothing(self):
        self.check(signal.SIGTERM, 1)

    def test_two_interrupts_leave_nothing(self):
        self.check(signal.SIGINT, 2)

    def test_interrupt_keeps_the_old_file_of_a_forced_run(self):
        old = self.folder / "long.gguf"
        command = [QTZ, "quantize", str(self.files["long"]), "--type", "Q2_K", "--backend", "scalar", "--threads", "1"]
        old.write_bytes(b"precious")
        process = subprocess.Popen([*command, "-o", str(old), "--force"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.kill)
        end = time.monotonic() + PATIENCE
        while len(self.names()) < 2 and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(self.names(), ["long.gguf"])
        self.assertEqual(old.read_bytes(), b"precious")


class Streams(ProcessTestCase):
    def quantize_with_closed(self, *descriptors):
        out = self.folder / "closed.gguf"
        result = run(
            "quantize", self.files["demo"], "--type", "Q8_0", "-o", out, preexec_fn=lambda: [os.close(fd) for fd in descriptors]
        )
        return result.returncode, out

    def test_closed_streams_do_not_become_data_files(self):
        _, reference = self.quantize_with_closed()
        expected = sha256(reference)
        for descriptors in ((0,), (2,), (0, 2), (0, 1, 2)):
            with self.subTest(descriptors):
                reference.unlink()
                code, out = self.quantize_with_closed(*descriptors)
                self.assertEqual(code, 0)
                self.assertEqual(sha256(out), expected)

    def test_closed_stdout_fails_where_data_would_go_there(self):
        result = run("types", stdout=None, preexec_fn=lambda: os.close(1))
        self.assertEqual(result.returncode, 5)
        self.assertIn(b"standard output", result.stderr)

    def test_full_stdout_is_an_output_error(self):
        with open("/dev/full", "wb") as full:
            result = run("types", stdout=full)
        self.assertEqual(result.returncode, 5)

    def test_non_blocking_stdout_loses_nothing(self):
        arguments = ["plan", self.files["demo"], "--json", "-q"]
        for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K_M", "Q5_K_M", "Q6_K"):
            arguments += ["--type", name]
        whole = run(*arguments).stdout
        reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        self.assertGreater(len(whole), 8192, "not more than the pipe holds")
        os.set_blocking(writing, False)
        process = subprocess.Popen([QTZ, *map(str, arguments)], stdout=writing, stderr=subprocess.PIPE, env=clean_environment())
        self.addCleanup(process.kill)
        os.close(writing)
        time.sleep(0.5)  # until the pipe is full
        with open(reading, "rb") as pipe:
            self.assertEqual(pipe.read(), whole)
        _, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, err), (0, b""))

    def test_recipe_and_metadata_may_come_from_a_pipe(self):
        def piped(text):
            reading, writing = os.pipe()
            os.write(writing, text)
            os.close(writing)
            self.addCleanup(os.close, reading)
            return reading

        recipe, metadata = piped(b"ffn_down = Q5_1\n"), piped(b'{"general.author": "Somebody Known"}')
        out = self.folder / "piped.gguf"
        result = run("quantize", self.files["demo"], "--type", "Q4_0", "-o", out, "-v", "--recipe", f"/dev/fd/{recipe}",
                     "--metadata", f"/dev/fd/{metadata}", pass_fds=(recipe, metadata))
        self.assertEqual(result.returncode, 0, result.stderr)
        shown = run("inspect", out).stdout
        self.assertIn(b"Q5_1", shown)
        self.assertIn(b"Somebody Known", shown)

    def test_weights_from_a_pipe_are_refused(self):
        reading, writing = os.pipe()
        os.close(writing)
        result = run("quantize", f"/dev/fd/{reading}", "--type", "Q4_0", pass_fds=(reading,))
        os.close(reading)
        self.assertEqual(result.returncode, 4, result.stderr)
        self.assertIn(b"not a regular file", result.stderr)

    def test_hints_and_messages_never_steer_the_terminal(self):
        for word in ("./\x1b]0;title\x07\x1b[2J", "./a\nerror: faked", "./\u009b2J", "./a\rb"):
            with self.subTest(repr(word)):
                for arguments in ([word], ["quantize", word, "--type", "Q8_0"], ["quantize", "-o", word, word, "--type", "Q8_0"]):
                    err = run(*arguments).stderr.decode()
                    self.assertIn("error: ", err)
                    unwanted = [c for c in err if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
                    self.assertEqual(unwanted, [])
                    self.assertNotIn("\nerror: faked", err)

    def test_hint_of_a_tensor_name_is_escaped(self):
        model = self.folder / "evil.safetensors"
        spoiled = b"\x00\x7f" * 32  # 1.7e38, too large for F16
        fixtures.write_safetensors(model, {"evil\x1b[2J\r.weight": ("BF16", [1, 32], spoiled)})
        result = run("quantize", model, "--type", "F16", "-o", self.folder / "evil.gguf")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn(b"hint: ", result.stderr)
        self.assertNotIn(b"\x1b", result.stderr)
        self.assertNotIn(b"\r", result.stderr)

    def test_hint_is_shown_when_quiet(self):
        result = run("quantize", self.files["nan"], "-q", "--type", "Q8_0", "-o", self.folder / "n.gguf")
        self.assertEqual(result.returncode, 6, result.stderr)
        self.assertIn(b"\nhint: ", result.stderr)

    def test_reader_that_goes_away_is_no_error(self):
        for arguments in (["types"], ["inspect", self.files["demo"] / "model.safetensors"],
                          ["plan", self.files["demo"], "--type", "Q4_K_M", "-q"]):
            with self.subTest(arguments[0]):
                reading, writing = os.pipe()
                os.close(reading)
                result = run(*arguments, stdout=writing)
                os.close(writing)
                self.assertEqual(result.returncode, 0)
                self.assertEqual(result.stderr, b"")

    def test_reader_that_does_not_read_is_waited_for(self):
        for name, ends in (("stdout", 0), ("stderr", 0), ("stdout", 143), ("stderr", 143)):
            with self.subTest(stream=name, ends=ends):
                read_end, write_end = os.pipe()
                fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
                os.write(write_end, bytes(4096))
                streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, name: write_end}
                command = [QTZ, "quantize", self.files["demo"], "--type", "Q8_0", "--json", "-o", self.folder / f"{ends}.gguf"]
                process = subprocess.Popen([*command, "--force"], stdin=subprocess.DEVNULL, **streams)
                os.close(write_end)
                with self.assertRaises(subprocess.TimeoutExpired):
                    process.wait(1)
                if ends != 0:
                    process.terminate()
                    self.assertEqual(process.wait(60), ends)
                while os.read(read_end, 1 << 16):
                    pass
                self.assertEqual(process.wait(60), ends)
                os.close(read_end)

    def test_json_is_json(self):
        out = self.folder / "j.gguf"
        demo = self.files["demo"]
        self.assertEqual(json.loads(run("quantize", demo, "--type", "Q4_K_M", "-o", out, "--json").stdout)["schema"], 1)
        for arguments in (["plan", demo, "--type", "Q4_K_M", "--type", "Q8_0"], ["inspect", out], ["inspect", out, "--full"],
                          ["inspect", self.files["evil"]], ["verify", out, "--source", demo], ["types"], ["archs"], ["backends"]):
            with self.subTest(arguments):
                json.loads(run(*arguments, "--json").stdout)


class Terminals(ProcessTestCase):
    def stderr_of(self, arguments, until, to_the_end=False, **environment):
        """What is written to a terminal on stderr, up to the first `until`; the process is then interrupted."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [QTZ, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=theirs, env=clean_environment(**environment)
        )
        self.addCleanup(process.kill)
        os.close(theirs)
        seen = b""
        end = time.monotonic() + PATIENCE
        while until not in seen and time.monotonic() < end:
            try:
                chunk = os.read(ours, 4096)
            except OSError:  # how a terminal says that nobody is at the other end any more
                break
            seen += chunk
        process.send_signal(signal.SIGINT)
        process.wait(timeout=PATIENCE)
        while to_the_end:
            try:
                seen += os.read(ours, 4096)
            except OSError:
                break
        os.close(ours)
        return seen

    def long_run(self):
        return ["quantize", self.files["long"], "--type", "Q2_K", "--backend", "scalar", "--threads", "1", "-o", self.folder / "l.gguf"]

    def test_bar_on_a_terminal(self):
        seen = self.stderr_of(self.long_run(), b"ETA", TERM="xterm")
        self.assertIn(b"\r", seen)
        self.assertIn(b"tensors", seen)

    def test_error_takes_the_bar_away_and_is_the_last_thing_said(self):
        seen = self.stderr_of(self.long_run(), b"ETA", to_the_end=True, TERM="xterm", NO_COLOR="1")
        bar, error = seen.rsplit(b"error: ", 1)
        self.assertEqual(error, b"interrupted; nothing was left behind (exit 130)\r\n")
        self.assertRegex(bar[bar.rindex(b"ETA"):], rb"\r *\r$", "the bar was not taken away")

    def test_no_bar_on_a_dumb_terminal_or_when_not_wanted(self):
        demo = ["quantize", self.files["demo"], "--type", "Q8_0", "--force", "-o", self.folder / "d.gguf"]
        for arguments, environment in ((demo, {"TERM": "dumb"}), ([*demo, "--progress", "never"], {"TERM": "xterm"}),
                                       ([*demo, "-q"], {"TERM": "xterm"})):
            with self.subTest(arguments):
                self.assertNotIn(b"\r", self.stderr_of(arguments, b"time ", **environment).replace(b"\r\n", b"\n"))

    def test_bar_in_a_pipe_when_wanted(self):
        process = self.start_long_with_progress("always")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        self.assertIn(b"\r", err)

    def start_long_with_progress(self, mode):
        process = subprocess.Popen(
            [QTZ, *map(str, self.long_run()), "--progress", mode], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=clean_environment()
        )
        self.addCleanup(process.kill)
        time.sleep(2)
        return process

    def test_colour_only_where_it_is_welcome(self):
        mistake = ["inspect", "/nothing"]
        self.assertIn(b"\x1b[", self.stderr_of(mistake, b"exit 3", TERM="xterm"))
        self.assertNotIn(b"\x1b[", self.stderr_of(mistake, b"exit 3", TERM="xterm", NO_COLOR="1"))
        self.assertNotIn(b"\x1b[", self.stderr_of(mistake, b"exit 3", TERM="dumb"))
        self.assertNotIn(b"\x1b[", run(*mistake, env=clean_environment(TERM="xterm")).stderr)


class Disk(ProcessTestCase):
    def test_default_name_is_made_of_folder_and_type_in_the_working_directory(self):
        for given in (self.files["model"], f"{self.files['model']}/", self.files["model"] / "model.safetensors"):
            with self.subTest(str(given)):
                self.assertEqual(run("quantize", given, "--type", "q4_k_m", cwd=self.folder).returncode, 0)
                self.assertEqual(self.names(), ["model-Q4_K_M.gguf"])
                (self.folder / "model-Q4_K_M.gguf").unlink()

    def test_default_name_of_a_hub_snapshot_is_the_models(self):
        snapshot = self.folder / "models--org--Tiny-1B" / "snapshots" / "0123abcd"
        shutil.copytree(self.files["demo"], snapshot)
        work = self.folder / "work"
        work.mkdir()
        self.assertEqual(run("quantize", snapshot, "--type", "Q8_0", cwd=work).returncode, 0)
        self.assertEqual([path.name for path in work.iterdir()], ["Tiny-1B-Q8_0.gguf"])

    def test_default_name_of_a_bare_file_is_the_files(self):
        self.assertEqual(run("quantize", self.files["plain"], "--type", "Q8_0", cwd=self.folder).returncode, 0)
        self.assertEqual(self.names(), ["plain-Q8_0.gguf"])

    def test_default_name_of_a_shard_is_the_models(self):
        name = "x-{:05}-of-{:05}.gguf"
        self.assertEqual(
            run("quantize", self.files["demo"], "--type", "BF16", "--split-max-size", "2M", "-o", self.folder / "x.gguf").returncode, 0
        )
        shards = self.names()
        self.assertEqual(shards, [name.format(i + 1, len(shards)) for i in range(len(shards))])
        self.assertGreater(len(shards), 1)
        for flags, wanted in (([], ["x-Q8_0.gguf"]), (["--keep-split"], [shard.replace("x-", "x-Q8_0-") for shard in shards])):
            with self.subTest(flags):
                planned = run("plan", self.folder / shards[0], "--type", "Q8_0", "--json", *flags, cwd=self.folder)
                files = [file["path"] for file in json.loads(planned.stdout)["plans"][0]["files"]]
                result = run("quantize", self.folder / shards[0], "--type", "Q8_0", *flags, cwd=self.folder)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(self.names(), sorted(wanted + shards))
                self.assertEqual(files, wanted)
                for path in (files[0], files[-1]):
                    self.assertIn(path.encode(), result.stderr.split(b": Q8_0,")[0])
                for path in wanted:
                    (self.folder / path).unlink()

    def test_split_files_hold_what_the_whole_file_holds(self):
        demo = self.files["demo"]
        run("quantize", demo, "--type", "Q4_K_M", "-o", self.folder / "whole.gguf")
        split = run("quantize", demo, "--type", "Q4_K_M", "--split-max-size", "300K", "--json", "-o", self.folder / "split.gguf")
        shards = [pathlib.Path(path) for path in json.loads(split.stdout)["outputs"][0]["files"]]
        self.assertGreater(len(shards), 3)
        # Opened by its first shard, the split copy must give what the whole one gives.
        for source, out in ((self.folder / "whole.gguf", "a.gguf"), (shards[0], "b.gguf")):
            result = run("quantize", source, "--type", "Q4_K_M", "-o", self.folder / out)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sha256(self.folder / "a.gguf"), sha256(self.folder / "b.gguf"))

    def test_link_to_the_input_is_the_input(self):
        before = sha256(self.files["model"] / "model.safetensors")
        for make_link in (os.symlink, os.link):
            with self.subTest(make_link.__name__):
                link = self.folder / f"{make_link.__name__}.gguf"
                make_link(self.files["model"] / "model.safetensors", link)
                result = run("quantize", self.files["model"], "--type", "Q8_0", "-o", link, "--force")
                self.assertEqual(result.returncode, 5, result.stderr)
                self.assertEqual(sha256(self.files["model"] / "model.safetensors"), before)

    def test_printed_plan_is_a_recipe_that_gives_the_same_file(self):
        demo = self.files["demo"]
        plan = run("plan", demo, "--type", "Q4_K_M", "-q").stdout
        (self.folder / "plan.recipe").write_bytes(plan)
        run("quantize", demo, "--type", "Q4_K_M", "-o", self.folder / "a.gguf")
        result = run("quantize", demo, "--type", "Q4_K_M", "-o", self.folder / "b.gguf", "--recipe", self.folder / "plan.recipe")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sha256(self.folder / "a.gguf"), sha256(self.folder / "b.gguf"))

    def test_same_bytes_at_any_thread_count_and_locale(self):
        digests = set()
        for index, (threads, locale) in enumerate(((1, "C"), (2, "de_DE.UTF-8"), (7, "tr_TR.UTF-8"), (64, "C.UTF-8"))):
            out = self.folder / f"{index}.gguf"
            result = run("quantize", self.files["demo"], "--type", "Q4_K_M", "-o", out, "--threads", threads, env=clean_environment(LC_ALL=locale))
            self.assertEqual(result.returncode, 0, result.stderr)
            digests.add(sha256(out))
        self.assertEqual(len(digests), 1)

    def test_several_types_in_one_run_give_the_files_of_single_runs(self):
        demo = self.files["demo"]
        self.assertEqual(run("quantize", demo, "--type", "Q4_K_M", "--type", "Q8_0", "-o", self.folder / "both").returncode, 0)
        for name in ("Q4_K_M", "Q8_0"):
            single = self.folder / f"{name}.gguf"
            run("quantize", demo, "--type", name, "-o", single)
            self.assertEqual(sha256(single), sha256(self.folder / "both" / f"demo-{name}.gguf"))

    def test_folders_are_made_where_the_name_has_the_type_in_it(self):
        both = ("--type", "Q4_0", "--type", "Q8_0")
        for types, output, made in ((both[:2], "dist/m-{type}.gguf", ["dist", "m-Q4_0.gguf"]),
                                    (both, "{type}/m.gguf", ["Q4_0", "Q8_0", "m.gguf", "m.gguf"])):
            with self.subTest(output=output):
                folder = self.folder / str(len(types))
                folder.mkdir()
                result = run("quantize", self.files["demo"], *types, "-o", folder / output)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(sorted(path.name for path in folder.rglob("*")), made)

    def test_every_shard_is_reported_with_its_own_size(self):
        shards = {"a.weight": 40, "b.weight": 4000}
        weight_map = {}
        for number, (name, rows) in enumerate(shards.items(), 1):
            file = f"model-{number:05}-of-00002.safetensors"
            fixtures.write_safetensors(self.folder / file, {name: ("BF16", [rows, 256], b"")})
            weight_map[name] = file
        index = self.folder / "model.safetensors.index.json"
        index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
        result = run("quantize", index, "--type", "Q8_0", "--keep-split", "-o", self.folder / "out.gguf")
        self.assertEqual(result.returncode, 0, result.stderr)
        first, second = (self.folder / f"out-{number:05}-of-00002.gguf" for number in (1, 2))
        text = result.stderr.decode()
        self.assertIn(f"{first.name}: {first.stat().st_size / 1e3:.1f} kB\n", text)
        self.assertIn(f"{second.name}: {second.stat().st_size / 1e6:.2f} MB\n", text)
        self.assertIn("in 2 files", text)

    def test_folder_made_for_a_run_that_is_refused_does_not_stay(self):
        refused = ("quantize", self.files["demo"], "--type", "Q8_0", "--max-memory", "1M", "-o")
        self.assertEqual(run(*refused, f"{self.folder}/new/").returncode, 8)
        self.assertEqual(self.names(), [])
        (self.folder / "old").mkdir()
        self.assertEqual(run(*refused, f"{self.folder}/old/").returncode, 8)
        self.assertEqual(self.names(), ["old"])

    def test_memory_that_an_error_names_is_enough(self):
        types = ("--type", "Q4_K_M", "--type", "F32", "--threads", 64)
        refused = run("quantize", self.files["demo"], *types, "-o", f"{self.folder}/new/", "--max-memory", "1M")
        self.assertEqual(refused.returncode, 8, refused.stderr)
        enough = re.search(rb"--max-memory (\d+M) is enough", refused.stderr)
        for command in (("plan",), ("quantize", "-o", f"{self.folder}/new/")):
            result = run(*command, self.files["demo"], *types, "--max-memory", enough[1].decode())
            self.assertEqual(result.returncode, 0, result.stderr)

    def test_verify_finds_a_flipped_bit(self):
        out = self.folder / "a.gguf"
        run("quantize", self.files["demo"], "--type", "Q8_0", "-o", out)
        tensor = json.loads(run("inspect", out, "--json").stdout)["tensors"][0]
        data = bytearray(out.read_bytes())
        data[tensor["offset"] + 1] ^= 0x40  # the exponent of a scale
        out.write_bytes(data)
        result = run("verify", out, "--source", self.files["demo"])
        self.assertEqual(result.returncode, 7, result.stderr)
        self.assertIn(tensor["name"].encode(), result.stderr)
        # A reader that is gone, or a full disk behind stdout, does not hide the verdict.
        read_end, write_end = os.pipe()
        os.close(read_end)
        result = run("verify", out, "--source", self.files["demo"], stdout=write_end)
        os.close(write_end)
        self.assertEqual(result.returncode, 7, result.stderr)
        with open("/dev/full", "wb") as full:
            result = run("verify", out, "--source", self.files["demo"], stdout=full)
        self.assertEqual(result.returncode, 7, result.stderr)

    def test_verify_takes_the_flags_that_the_file_was_made_with(self):
        out = self.folder / "a.gguf"
        demo = self.files["demo"]
        flags = ("--model-name", "Other", "--override-kv", "llama.context_length=int:99", "--prune-layers", "1")
        self.assertEqual(run("quantize", demo, "--type", "Q8_0", "-o", out, *flags).returncode, 0)
        result = run("verify", out, "--source", demo, *flags)
        self.assertEqual((result.returncode, b"warning" in result.stderr), (0, False), result.stderr)
        self.assertEqual(run("verify", out, "--source", demo).returncode, 7)
        self.assertEqual(run("verify", out, *flags).returncode, 2)

    def test_nothing_of_this_machine_is_in_the_artifact(self):
        out = self.folder / "a.gguf"
        run("quantize", self.files["model"], "--type", "Q8_0", "-o", out)
        data = out.read_bytes()
        for place in (str(self.files["tmp"]), str(self.folder), os.getcwd(), str(pathlib.Path.home() / "")):
            self.assertFalse(len(place) > 4 and place.encode() in data, f"{place} is in the artifact")

    def test_short_help_fits_a_screen(self):
        self.assertLess(len(run("--help").stdout.splitlines()), 25)


if __name__ == "__main__":
    unittest.main()
