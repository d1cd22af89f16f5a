"""qtz as a process, for the tests of its behaviour: a folder for its outputs, small inputs, a run that takes long.

The binary is in $QTZ_BINARY.
"""

import hashlib
import os
import pathlib
import subprocess
import tempfile
import time
import unittest

import fixtures

QTZ = os.environ["QTZ_BINARY"]
PATIENCE = 120  # seconds until a hang is called one


def clean_environment(**more):
    kept = {k: v for k, v in os.environ.items() if k not in ("QTZ_BACKEND", "NO_COLOR", "TERM")}
    return {**kept, **more}


def run(*arguments, **options):
    options.setdefault("env", clean_environment())
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([QTZ, *map(str, arguments)], timeout=PATIENCE, check=False, **options)


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class ProcessTestCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls._inputs = tempfile.TemporaryDirectory(prefix="qtz cli ")
        cls.files = fixtures.make_all(cls._inputs.name)

    @classmethod
    def tearDownClass(cls):
        cls._inputs.cleanup()

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory(prefix="qtz out ")
        self.addCleanup(self._folder.cleanup)
        self.folder = pathlib.Path(self._folder.name)

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())

    def start_long(self, **options):
        """Starts a quantization that takes long, and returns once it has begun to write."""
        command = [QTZ, "quantize", self.files["long"], "--type", "Q2_K", "--backend", "scalar", "--threads", "1"]
        command += ["-o", self.folder / "long.gguf"]
        options.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen(
            list(map(str, command)), env=options.pop("env", clean_environment()), stdout=subprocess.PIPE, **options
        )
        self.addCleanup(process.kill)
        end = time.monotonic() + PATIENCE
        while not self.names() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
        self.assertIsNone(process.poll(), "the long run ended before it could be interrupted")
        self.assertNotIn("long.gguf", self.names())
        return process
