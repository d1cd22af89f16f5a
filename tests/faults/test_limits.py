#!/usr/bin/env python3
"""Full disks, odd places for outputs, two runs at once, and the memory that was promised. Run by ctest, see scenes.py."""

import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import unittest

import scenes
from fault_case import FaultTestCase
from scenes import fixtures

NOBODY = 65534


def private_mounts(script, *arguments):
    """A script that may mount: nothing of it is seen outside, nor left."""
    flags = ["-m"] if os.geteuid() == 0 else ["-rm"]
    return subprocess.run(["unshare", *flags, "sh", "-c", script, "sh", *map(str, arguments)], env=scenes.environment(),
                          capture_output=True, timeout=scenes.PATIENCE, check=False)


def can_mount():
    return shutil.which("unshare") is not None and private_mounts("mount -t tmpfs none /mnt").returncode == 0


class FullDisks(FaultTestCase):
    def check_size_limit(self, scene, limit):
        started = self.place.start(scene)
        result = subprocess.run(
            started.command(), env=scenes.environment(), capture_output=True, timeout=scenes.PATIENCE, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        )
        problems = self.failure_problems(started, result, (5,), "/out/")
        started.remove()
        return [f"{scene.name}, files of {limit} bytes: {problem}" for problem in problems]

    def test_limit_of_a_files_size(self):
        cases = []
        for scene in scenes.SCENES:
            self.place.undisturbed(scene)
            started = self.place.start(scene)
            started.go()
            largest = max(path.stat().st_size for path in started.out.rglob("*") if path.is_file())
            started.remove()
            cases += [(scene, limit) for limit in (0, 4096, largest // 2, largest - 1)]
        self.report(scenes.in_parallel(self.check_size_limit, cases), cases)

    @unittest.skipUnless(can_mount(), "nothing can be mounted here")
    def test_small_file_systems(self):
        made = self.place.inputs / "made.gguf"
        size = -(-made.stat().st_size // 4096) * 4096
        cases = [
            ("less than the output", f"size={size - 4096}", 5),
            ("no place for the manifest", f"size={size}", 5),
            ("no place for a second name", "nr_inodes=2", 5),
            ("enough", f"size={size + (1 << 20)}", 0),
        ]
        for name, options, code in cases:
            with self.subTest(name):
                folder = self.place.root / "mounted"
                folder.mkdir(exist_ok=True)
                script = (f'mount -t tmpfs -o {options} none "$1" || exit 99; '
                          '"$2" quantize "$3" --type Q8_0 --manifest -o "$1/made.gguf"; code=$?; ls -A "$1"; exit $code')
                result = private_mounts(script, folder, scenes.QTZ, fixtures.DEMO)
                self.assertEqual(result.returncode, code, result.stderr)
                self.assertEqual(result.stdout.split(), [] if code else [b"made.gguf", b"made.gguf.manifest.json"])
                if code:
                    self.assertIn(b"made.gguf", result.stderr)
                    self.assertIn(b"free some space", result.stderr)


class Places(FaultTestCase):
    """Where an output may lie, for a person who may not do everything."""

    def setUp(self):
        self.open_folder = pathlib.Path("/tmp") / f"qtz-places-{os.getpid()}"
        self.open_folder.mkdir()
        self.addCleanup(shutil.rmtree, self.open_folder)
        self.model = self.open_folder / "plain.safetensors"
        fixtures.write_safetensors(self.model, {"a.weight": ("BF16", [4, 256], fixtures.ramp(4, 256))})
        self.binary = self.open_folder / "qtz"
        shutil.copy(scenes.QTZ, self.binary)  # the build folder may be closed to others
        self.out = self.open_folder / "out"
        self.out.mkdir()

    def quantize_as_nobody(self, mode, owner_is_nobody, *more):
        own = os.geteuid() == 0
        if own and owner_is_nobody:
            os.chown(self.out, NOBODY, NOBODY)
        self.out.chmod(mode)
        self.addCleanup(self.out.chmod, 0o700)
        return subprocess.run(
            [self.binary, "quantize", self.model, "--type", "Q8_0", "-o", self.out / "a.gguf", *more], capture_output=True,
            env=scenes.environment(), cwd="/", check=False, preexec_fn=(lambda: (os.setgid(NOBODY), os.setuid(NOBODY))) if own else None,
        )

    def test_folder_that_may_not_be_written(self):
        for mode in (0o500, 0o000):
            result = self.quantize_as_nobody(mode, True)
            self.assertEqual(result.returncode, 5, result.stderr)
            self.assertIn(b"Permission denied", result.stderr)
            self.assertIn(b"/out", result.stderr)
        self.out.chmod(0o700)
        self.assertEqual(list(self.out.iterdir()), [])

    def test_folder_that_may_not_be_listed(self):
        for more in ((), ("--force",)):
            result = self.quantize_as_nobody(0o300, True, *more)
            self.assertEqual(result.returncode, 0, result.stderr)
        self.out.chmod(0o700)
        self.assertEqual([path.name for path in self.out.iterdir()], ["a.gguf"])

    def test_fifo_is_refused_and_nobody_waits(self):
        fifo = self.out / "a.gguf"
        os.mkfifo(fifo)
        for more in ((), ("--force",)):
            result = scenes.run("quantize", self.model, "--type", "Q8_0", "-o", fifo, *more)
            self.assertEqual(result.returncode, 5, result.stderr)
            self.assertIn(b"a.gguf exists and is not a regular file", result.stderr)
        self.assertTrue(fifo.is_fifo())

    def test_link_is_replaced_and_what_it_names_stays(self):
        target = self.out / "target"
        target.write_bytes(b"precious")
        link = self.out / "a.gguf"
        link.symlink_to("target")
        self.assertEqual(scenes.run("quantize", self.model, "--type", "Q8_0", "-o", link).returncode, 5)
        result = scenes.run("quantize", self.model, "--type", "Q8_0", "--force", "-o", link)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertFalse(link.is_symlink())
        self.assertEqual(target.read_bytes(), b"precious")
        self.assertEqual(sorted(path.name for path in self.out.iterdir()), ["a.gguf", "target"])


class TwoRuns(FaultTestCase):
    """Several runs want the same name at the same time."""

    ROUNDS = 40 if scenes.LONG else 2 if scenes.FEW else 6

    def start_all(self, out, types, *more):
        commands = [[scenes.QTZ, "quantize", fixtures.DEMO, "--type", each, "--threads", "1", "-o", out, *more] for each in types]
        started = [subprocess.Popen(each, env=scenes.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for each in commands]
        return [(process.communicate(timeout=scenes.PATIENCE)[1], process.returncode) for process in started]

    def wanted(self, types):
        whole = {}
        for each in types:
            path = self.place.root / f"{each}.gguf"
            scenes.run_checked("quantize", fixtures.DEMO, "--type", each, "-o", path)
            whole[each] = path.read_bytes()
            path.unlink()
        return whole

    def test_first_wins_and_the_others_say_so(self):
        types = ("Q4_0", "Q8_0", "Q5_0")
        whole = self.wanted(types)
        for number in range(self.ROUNDS):
            out = self.place.root / f"first-{number}" / "a.gguf"
            out.parent.mkdir()
            ends = self.start_all(out, types)
            winners = [each for each, (_, code) in zip(types, ends) if code == 0]
            self.assertEqual(len(winners), 1, ends)
            self.assertEqual(out.read_bytes(), whole[winners[0]])
            self.assertEqual(list(out.parent.iterdir()), [out])
            for text, code in ends:
                self.assertIn(code, (0, 5), text)
                self.assertTrue(code == 0 or b"a.gguf exists" in text or b"a.gguf appeared during the run" in text, text)

    def test_with_force_one_is_there_whole(self):
        types = ("Q4_0", "Q8_0", "Q5_0")
        whole = self.wanted(types)
        for number in range(self.ROUNDS):
            out = self.place.root / f"force-{number}" / "a.gguf"
            out.parent.mkdir()
            if number % 2:
                out.write_bytes(b"old")
            ends = self.start_all(out, types, "--force")
            self.assertEqual([code for _, code in ends], [0] * len(types), ends)
            self.assertIn(out.read_bytes(), whole.values())
            self.assertEqual(list(out.parent.iterdir()), [out])


@unittest.skipIf(scenes.FEW, "a sanitizer's memory is not ours")
class Memory(FaultTestCase):
    def most_kilobytes(self, *arguments):
        report = self.place.root.parent / "memory"
        report.unlink(missing_ok=True)
        result = scenes.run(*arguments, env=scenes.environment(LD_PRELOAD=self.place.shim, FAULT_MEMORY=str(report)))
        self.assertEqual(result.returncode, 0, result.stderr)
        return int(report.read_text())

    def test_limit_that_a_refusal_names_is_kept(self):
        large = self.place.root / "large.safetensors"
        fixtures.write_safetensors(large, {"a.weight": ("F16", [4096, 2048], b""), "b.weight": ("F16", [64, 65536], b"")})
        for model in (fixtures.DEMO, large):
            for flags in (("--type", "Q4_K_M"), ("--type", "Q8_0", "--type", "Q6_K", "--threads", "4", "--manifest")):
                with self.subTest(model=model.name, flags=flags):
                    command = ("quantize", model, *flags, "--force", "-o", self.place.root / "m-{type}.gguf", "--max-memory")
                    refused = scenes.run(*command, "1M")
                    self.assertEqual(refused.returncode, 8, refused.stderr)
                    limit = int(re.search(rb"--max-memory (\d+)M is enough", refused.stderr)[1])
                    self.assertLessEqual(self.most_kilobytes(*command, f"{limit}M") * 1024, limit * 1_000_000)

    def test_forward_pass_keeps_it_and_says_the_same(self):
        text = self.place.root / "text.txt"
        text.write_text("It was a long text, and nobody knew why. " * 500, encoding="utf-8")
        matrix = self.place.root / "matrix.gguf"
        model = self.place.root / "demo.gguf"
        scenes.run("quantize", fixtures.DEMO, "--type", "F16", "-o", model)
        for command in (("eval", model, "--data", text), ("calibrate", model, "--data", text, "--force", "-o", matrix)):
            with self.subTest(command=command[0]):
                free = scenes.run(*command)
                self.assertEqual(free.returncode, 0, free.stderr)
                made = matrix.read_bytes() if matrix.exists() else b""
                refused = scenes.run(*command, "--max-memory", "1M")
                self.assertEqual(refused.returncode, 8, refused.stderr)
                limit = int(re.search(rb"--max-memory (\d+)M is enough", refused.stderr)[1])
                self.assertLessEqual(self.most_kilobytes(*command, "--max-memory", f"{limit}M") * 1024, limit * 1_000_000)
                self.assertEqual(scenes.run(*command, "--max-memory", f"{limit}M").stdout, free.stdout)
                self.assertEqual(matrix.read_bytes() if matrix.exists() else b"", made)


@unittest.skipIf(scenes.FEW, "a sanitizer has a heap of its own")
class Allocations(FaultTestCase):
    """Memory that runs out at any allocation: exit 8 and nothing left, or, at the very end, everything there whole."""

    def start(self, scene, **orders):
        started = self.place.start(scene)
        environment = scenes.environment(LD_PRELOAD=self.place.allocation_shim, **orders)
        result = subprocess.run(started.command(), env=environment, stdin=subprocess.DEVNULL, capture_output=True,
                                timeout=scenes.PATIENCE, check=False)
        found = scenes.snapshot(started.out)
        started.remove()
        return result, found

    def check(self, scene, at):
        result, found = self.start(scene, ALLOCATION_FAILS=str(at))
        whole = self.place.undisturbed(scene)[1]
        text = result.stderr.decode("utf-8", "replace")
        good = (
            result.returncode == 8 and "out of memory (exit 8)" in text and found in ({}, whole)
            or result.returncode == 0 and found == whole
            # a folder that cannot be listed says why,
            or result.returncode == 3 and "Cannot allocate memory" in text and not found
            # libstdc++ ends the process when it reads a folder and has no memory for a name,
            or result.returncode == 1 and "internal error" not in text and not found
            # and before main() nobody can say anything.
            or result.returncode == -signal.SIGABRT and "bad_alloc" in text and not found
        )
        return [] if good else [f"{scene.name}, allocation {at}: exits {result.returncode}, leaves {sorted(found)}: {text[-300:]}"]

    def test_any_of_them(self):
        scenes_here = [scene for scene in scenes.SCENES + scenes.READING if scene.before is None]
        cases = []
        report = self.place.root.parent / "allocations"
        for scene in scenes_here:
            self.place.undisturbed(scene)
            report.unlink(missing_ok=True)
            self.start(scene, ALLOCATION_COUNT=str(report))
            places = range(1, int(report.read_text()) + 1)
            cases += [(scene, at) for at in scenes.sample(places, 60, scene.name, at_most=2000)]
        self.report(scenes.in_parallel(self.check, cases), cases)
