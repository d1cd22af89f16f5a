"""What the faults are met with: command lines of qtz, each in a place of its own, and how their end is judged.

The binary is in $QTZ_BINARY, the shims in $QTZ_FAULT_SHIM and $QTZ_ALLOCATION_SHIM. $QTZ_FAULTS=long meets every call instead of a sample of them,
few is for binaries with a sanitizer, which are slow.
"""

import collections
import concurrent.futures
import hashlib
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
import fixtures

QTZ = os.environ["QTZ_BINARY"]
SHIM = os.environ["QTZ_FAULT_SHIM"]
ALLOCATION_SHIM = os.environ["QTZ_ALLOCATION_SHIM"]
LONG = os.environ.get("QTZ_FAULTS") == "long"
FEW = os.environ.get("QTZ_FAULTS") == "few"
SEED = 20260101
PATIENCE = 300  # seconds until a hang is called one


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if k not in ("QTZ_BACKEND", "NO_COLOR", "TERM", "LD_PRELOAD")}
    # A sanitizer's runtime wants to be loaded before the shim; behind it is as good.
    sanitizer = kept.get("ASAN_OPTIONS", "")
    kept["ASAN_OPTIONS"] = f"{sanitizer}:verify_asan_link_order=0" if sanitizer else "verify_asan_link_order=0"
    return {**kept, **more}


def run(*arguments, **options):
    options.setdefault("env", environment())
    return subprocess.run([QTZ, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE,
                          check=False, **options)


def run_checked(*arguments):
    result = run(*arguments)
    if result.returncode != 0:
        raise RuntimeError(result.stderr.decode())


def snapshot(folder):
    """Names below a folder and what they hold; temporary names without the number of the process."""
    found = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found


def is_temporary(name):
    return name.endswith(".tmp") and ".qtz-" in name


def make_inputs(folder):
    """Small models of every kind of input, and the other files that a command line can name."""
    shutil.copytree(fixtures.DEMO, folder / "demo")
    run_checked("quantize", fixtures.DEMO, "--type", "F16", "-o", folder / "demo.gguf")
    fixtures.write_imatrix(folder / "demo.imatrix", {"blk.0.attn_q.weight": 256, "blk.0.attn_k.weight": 256})
    (folder / "demo.recipe").write_text("ffn_down = Q8_0\n")
    (folder / "demo.json").write_text('{"general.author": "Somebody"}')
    shards = folder / "shards"
    shards.mkdir()
    weight_map = {}
    for number, name in enumerate(("a.weight", "b.weight", "c.weight"), 1):
        file = f"model-{number:05}-of-00003.safetensors"
        fixtures.write_safetensors(shards / file, {name: ("BF16", [64, 256], fixtures.ramp(64, 256))})
        weight_map[name] = file
    (shards / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    run_checked("quantize", fixtures.DEMO, "--type", "Q8_0", "--manifest", "-o", folder / "made.gguf")


class Scene:
    """A command line. {in} is the folder of the inputs, {out} the one for outputs; `before` has put things there."""

    def __init__(self, name, line, before=None):
        self.name, self.line, self.before = name, line.split(), before


OLD = "quantize {in}/demo --type Q8_0 --threads 1 "
SCENES = [
    Scene("file", "quantize {in}/demo --type Q4_0 -o {out}/a.gguf"),
    Scene("GGUF input", "quantize {in}/demo.gguf --type Q4_0 -o {out}/a.gguf"),
    Scene("named files", "quantize {in}/demo --type Q4_0 -o {out}/a.gguf --imatrix {in}/demo.imatrix "
                         "--recipe {in}/demo.recipe --metadata {in}/demo.json"),
    Scene("split", "quantize {in}/demo --type Q4_0 --split-max-size 400K -o {out}/a.gguf"),
    Scene("shards", "quantize {in}/shards --type Q8_0 --keep-split -o {out}/a.gguf"),
    Scene("folder", "quantize {in}/demo --type Q4_0 --type Q8_0 -o {out}/new/"),
    Scene("manifest", "quantize {in}/demo --type Q4_0 --type Q8_0 --manifest -o {out}/a-{{type}}.gguf"),
    Scene("force", "quantize {in}/demo --type Q4_0 --force -o {out}/a.gguf", OLD + "-o {out}/a.gguf"),
    Scene("force, manifest", "quantize {in}/demo --type Q4_0 --manifest --force -o {out}/a.gguf",
          OLD + "--manifest -o {out}/a.gguf"),
    Scene("force, split, manifest", "quantize {in}/shards --type Q4_0 --keep-split --manifest --force -o {out}/a.gguf",
          "quantize {in}/shards --type Q8_0 --keep-split --manifest -o {out}/a.gguf"),
]  # fmt: skip
READING = [
    Scene("verify", "verify {in}/made.gguf --source {in}/demo"),
    Scene("inspect", "inspect {in}/made.gguf --sha256"),
    Scene("plan", "plan {in}/demo --type Q4_K_M"),
]


class Place:
    """Inputs and undisturbed results, shared by all runs; each run has its own folder for outputs."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="qtz-faults-")
        self.root = pathlib.Path(self._folder.name) / "root"
        self.inputs = self.root / "in"
        self.inputs.mkdir(parents=True)
        # LD_PRELOAD is a list separated by spaces and colons: a build folder with one in its path could not be named.
        self.shim = shutil.copy(SHIM, self._folder.name)
        self.allocation_shim = shutil.copy(ALLOCATION_SHIM, self._folder.name)
        report = self.root.parent / "memory"
        run("--version", env=environment(LD_PRELOAD=self.shim, FAULT_MEMORY=str(report)))
        if not report.exists():
            raise RuntimeError(f"{self.shim} is not loaded by LD_PRELOAD: no fault would be met")
        make_inputs(self.inputs)
        self._numbers = itertools.count()
        self._undisturbed = {}

    def close(self):
        self._folder.cleanup()

    def start(self, scene, own_inputs=False):
        return Run(self, scene, next(self._numbers), own_inputs)

    def undisturbed(self, scene):
        """The calls of a scene, as (call, path), and what it makes; {out} stands for its folder."""
        if scene.name not in self._undisturbed:
            started = self.start(scene)
            result = started.go(log=True)
            if result.returncode != 0:
                raise RuntimeError(result.stderr.decode())
            self._undisturbed[scene.name] = (started.calls(), snapshot(started.out), result.stdout)
            started.remove()
        return self._undisturbed[scene.name]


class Run:
    def __init__(self, place, scene, number, own_inputs):
        self.scene, self.place = scene, place
        self.folder = place.root / f"run-{number}"
        self.inputs = place.inputs
        if own_inputs:
            self.inputs = self.folder / "in"
            shutil.copytree(place.inputs, self.inputs)
        self.out = self.folder / "out"
        self.out.mkdir(parents=True)
        self.log = place.root.parent / f"log-{number}"
        if scene.before is not None:
            run_checked(*self.words(scene.before.split()))
        self.before = snapshot(self.out)

    def words(self, line):
        return [word.format(**{"in": self.inputs, "out": self.out}) for word in line]

    def command(self, threads=1):
        own = [] if self.scene.line[0] == "inspect" else ["--threads", str(threads)]
        return [QTZ, *self.words(self.scene.line), *own]

    def orders(self, fault=None, log=False, other=None):
        orders = {"LD_PRELOAD": self.place.shim, "FAULT_UNDER": str(self.place.root)}
        if fault:
            orders["FAULT"] = fault
        if log:
            orders["FAULT_LOG"] = str(self.log)
        if other:
            orders["FAULT_OTHER"] = str(other)
        return environment(**orders)

    def go(self, **orders):
        return subprocess.run(self.command(), env=self.orders(**orders), stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PATIENCE, check=False)

    def calls(self):
        return [tuple(line.replace(str(self.out), "{out}").split(" ", 1)) for line in self.log.read_text().splitlines()]

    def remove(self):
        shutil.rmtree(self.folder)
        self.log.unlink(missing_ok=True)


def sample(items, count, label, at_most=None):
    """All of them in long mode, or `at_most` then, else `count` of them, always the same ones."""
    items = list(items)
    if FEW:
        count = -(-count // 8)
    if LONG:
        count = at_most or len(items)
    if len(items) <= count:
        return items
    return random.Random(f"{SEED} {label}").sample(items, count)


def distinct(calls):
    """The places of the first and the last call of each kind on each file, and those of all the others."""
    by_kind = collections.defaultdict(list)
    for at, (call, path) in enumerate(calls, 1):
        by_kind[(call, re.sub(r"qtz-\d+-", "qtz-", path))].append(at)
    ends = sorted({at for places in by_kind.values() for at in (places[0], places[-1])})
    return ends, sorted(set(range(1, len(calls) + 1)) - set(ends))


def in_parallel(check, cases):
    """Problems of all cases, each a text; check(*case) returns a list of them."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [problem for problems in pool.map(lambda case: check(*case), cases) for problem in problems]
