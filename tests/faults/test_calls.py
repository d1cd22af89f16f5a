#!/usr/bin/env python3
"""Every system call that qtz makes on its files, met with a fault.

Whatever fails: a documented exit code, a message that names the file, nothing new under any name, nothing left. What only
interrupts is not to be seen in the output. Run by ctest, see scenes.py.
"""

import re
import subprocess

import scenes
from fault_case import FaultTestCase

TRANSFERS = ("read", "write")
INTERRUPTIBLE = ("read", "write", "open", "close", "fsync", "fallocate", "flock", "statvfs")
GROWING = ("write", "fallocate", "open", "fsync", "rename", "renameat2", "link", "mkdir")


def name_in_messages(path):
    """What a message calls a file: temporary files and kept ones go by the output's name."""
    name = path.replace("{out}", "out").rsplit("/", 1)[-1]
    return re.sub(r"^\.(.*)\.qtz-.*\.tmp$", r"\1", name)


class Errors(FaultTestCase):
    """A call fails, once."""

    def check(self, scene, at, kind):
        calls, made, out = self.place.undisturbed(scene)
        call, path = calls[at - 1]
        started = self.place.start(scene)
        result = started.go(fault=f"*:{at}:{kind}")
        if result.returncode == 0:
            # It did not matter. Whether anything else came out is what matters then.
            after = scenes.snapshot(started.out)
            if call == "unlink":
                after = {name: content for name, content in after.items() if not scenes.is_temporary(name)}
            problems = [] if after == made and (result.stdout == out or made) else ["exits 0 with other output"]
        else:
            of_output = path.startswith("{out}")
            problems = self.failure_problems(started, result, (5,) if of_output else (3,), name_in_messages(path))
        started.remove()
        return [f"{scene.name}, {call} {path} ({at}) {kind}: {problem}" for problem in problems]

    def check_all(self, wanted, kinds_of, label):
        cases = []
        for scene in wanted:
            calls, _, _ = self.place.undisturbed(scene)
            ends, others = scenes.distinct(calls)
            for at in scenes.sample(ends, 30, f"{label} {scene.name}") + scenes.sample(others, 6, f"{label} {scene.name}"):
                cases += [(scene, at, kind) for kind in kinds_of(*calls[at - 1])]
        self.report(scenes.in_parallel(self.check, cases), cases)

    def test_every_call_of_quantize(self):
        self.check_all(scenes.SCENES, lambda call, path: ["EIO"], "EIO")

    def test_no_space(self):
        self.check_all(
            scenes.SCENES, lambda call, path: ["ENOSPC"] if call in GROWING and path.startswith("{out}/") else [], "ENOSPC"
        )

    def test_every_call_of_what_only_reads(self):
        self.check_all(scenes.READING, lambda call, path: ["EIO"], "EIO")


class Interruptions(FaultTestCase):
    """Calls that are cut short, one of them or every second one: nobody can tell afterwards."""

    def check(self, scene, fault):
        _, made, out = self.place.undisturbed(scene)
        started = self.place.start(scene)
        result = started.go(fault=fault)
        problems = []
        if result.returncode != 0:
            problems.append(f"exits {result.returncode}: {result.stderr.decode()[-300:]}")
        elif scenes.snapshot(started.out) != made:
            problems.append("gives other bytes")
        started.remove()
        return [f"{scene.name}, {fault}: {problem}" for problem in problems]

    def check_all(self, wanted, label):
        cases = []
        for scene in wanted:
            cases += [(scene, f"{call}:odd:EINTR") for call in INTERRUPTIBLE if call != "open"]
            cases += [(scene, f"{call}:odd:{kind}") for call in TRANSFERS for kind in ("short", "EAGAIN")]
            calls, _, _ = self.place.undisturbed(scene)
            one = []
            for at, (call, path) in enumerate(calls, 1):
                # A folder's opening is never interrupted.
                if call in INTERRUPTIBLE and (call != "open" or "." in name_in_messages(path)):
                    one.append((scene, f"*:{at}:EINTR"))
                if call in TRANSFERS:
                    one.append((scene, f"*:{at}:short"))
            cases += scenes.sample(one, 12, label)
        self.report(scenes.in_parallel(self.check, cases), cases)

    def test_of_quantize(self):
        self.check_all(scenes.SCENES, "quantize")

    def test_of_what_only_reads(self):
        self.check_all(scenes.READING, "reading")


class ChangedInputs(FaultTestCase):
    """A file is cut, overwritten, replaced or removed right before it is looked at or read, by somebody else.

    Then either the run ends with an error, or it gives the bytes of the file as it was, which stays open, or of the file as
    it is now, from its beginning to its end.
    """

    def check(self, scene, at, kind):
        calls, made, _ = self.place.undisturbed(scene)
        call, path = calls[at - 1]
        started = self.place.start(scene, own_inputs=True)
        other = started.folder / "other"
        other.write_bytes(b"{}")
        name = path.rsplit("/", 1)[-1]
        changed = started.inputs / path.removeprefix(str(self.place.inputs) + "/")
        result = started.go(fault=f"*:{at}:{kind}", other=other)
        if result.returncode == 0:
            after = scenes.snapshot(started.out)
            problems = []
            if after != made and after != self.made_of_changed(started, changed):
                problems.append("exits 0 with bytes that are of neither input")
        else:
            # A recipe is words of a person: half a line of it is a mistake like one on the command line.
            codes = (2, 3, 4) if name == "demo.recipe" else (3, 4)
            # A folder that lost a file, or found one, is another folder.
            problems = self.failure_problems(started, result, codes, name, f"/in/{changed.parent.name}")
        started.remove()
        return [f"{scene.name}, {call} {path} ({at}) {kind}: {problem}" for problem in problems]

    def made_of_changed(self, started, changed):
        """What a run makes of the inputs as they are now; None where it makes nothing."""
        for path in started.out.iterdir():
            path.unlink()
        result = subprocess.run(started.command(), env=scenes.environment(), capture_output=True, check=False)
        return scenes.snapshot(started.out) if result.returncode == 0 else None

    def test_before_every_look(self):
        cases = []
        for scene in scenes.SCENES[:5] + scenes.SCENES[6:7]:
            calls, _, _ = self.place.undisturbed(scene)
            looks = [
                (scene, at, kind)
                for at, (call, path) in enumerate(calls, 1)
                if path.startswith(str(self.place.inputs)) and call in ("read", "stat", "open") and "." in path.rsplit("/", 1)[-1]
                for kind in ("truncate", "rewrite", "replace", "remove")
            ]
            cases += scenes.sample(looks, 40, scene.name)
        self.report(scenes.in_parallel(self.check, cases), cases)
