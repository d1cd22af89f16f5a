#!/usr/bin/env python3
"""What is left when a run is killed, and when it is told to stop. Run by ctest, see scenes.py."""

import random
import re
import signal
import subprocess
import time

import scenes
from fault_case import FaultTestCase

STOPS = {"int": signal.SIGINT, "term": signal.SIGTERM, "hup": signal.SIGHUP, "int2": signal.SIGINT}


def first_shards(folder):
    """Artifacts by the file that readers open."""
    found = {path for path in folder.rglob("*.gguf") if not scenes.is_temporary(path.name)}
    return {path for path in found if not re.search(r"-\d{5}-of-\d{5}\.gguf$", path.name) or "-00001-of-" in path.name}


def files_of(artifact, state):
    """What a snapshot has of an artifact's GGUF files."""
    stem = artifact.name.split("-00001-of-")[0]
    return {name: content for name, content in state.items()
            if name.rsplit("/", 1)[-1].startswith(stem) and name.endswith(".gguf")}


class Kills(FaultTestCase):
    def problems_after(self, started, made):
        """Every artifact that has its name is whole, old or new, and a second run cleans up."""
        problems = []
        state = scenes.snapshot(started.out)
        for artifact in first_shards(started.out):
            result = scenes.run("verify", artifact)
            if result.returncode != 0:
                problems.append(f"{artifact.name} does not verify: {result.stderr.decode()[-200:]}")
            found = files_of(artifact, state)
            if found not in (files_of(artifact, made), files_of(artifact, started.before)):
                problems.append(f"{artifact.name} is a mixture: {found}")
        has_its_name = any(held != "folder" and not scenes.is_temporary(name) for name, held in state.items())
        force = ["--force"] if has_its_name and "--force" not in started.command() else []
        again = subprocess.run([*started.command(), *force], env=scenes.environment(), capture_output=True, check=False)
        if again.returncode != 0:
            problems.append(f"a second run exits {again.returncode}: {again.stderr.decode()[-200:]}")
        elif scenes.snapshot(started.out) != made:
            problems.append(f"a second run leaves {sorted(scenes.snapshot(started.out))}")
        return problems

    def check_at_call(self, scene, at):
        calls, made, _ = self.place.undisturbed(scene)
        started = self.place.start(scene)
        result = started.go(fault=f"*:{at}:kill")
        problems = self.problems_after(started, made)
        if result.returncode != -signal.SIGKILL:
            problems.append(f"exits {result.returncode}")
        started.remove()
        return [f"{scene.name}, before {calls[at - 1]} ({at}): {problem}" for problem in problems]

    def test_before_a_call_on_an_output(self):
        cases = []
        for scene in scenes.SCENES[:1] + scenes.SCENES[3:]:
            calls, _, _ = self.place.undisturbed(scene)
            outputs = {at for at, (_, path) in enumerate(calls, 1) if path.startswith("{out}")}
            ends, others = scenes.distinct(calls)
            # What happens after the first rename matters most, and is little.
            last = [at for at in sorted(outputs) if at >= min(n for n, (call, _) in enumerate(calls, 1) if call == "fsync")]
            chosen = set(last) if scenes.LONG else set(scenes.sample(last, 12, scene.name))
            chosen |= set(scenes.sample([at for at in ends if at in outputs], 4, scene.name))
            chosen |= set(scenes.sample([at for at in others if at in outputs], 2, scene.name))
            cases += [(scene, at) for at in sorted(chosen)]
        self.report(scenes.in_parallel(self.check_at_call, cases), cases)

    def check_at_moment(self, scene, delay):
        _, made, _ = self.place.undisturbed(scene)
        started = self.place.start(scene)
        process = subprocess.Popen(started.command(threads=2), env=scenes.environment(),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait(timeout=scenes.PATIENCE)
        problems = self.problems_after(started, made)
        started.remove()
        return [f"{scene.name}, after {delay:.4f} s: {problem}" for problem in problems]

    def test_at_any_moment(self):
        moments = random.Random(scenes.SEED)
        wanted = [scene for scene in scenes.SCENES if scene.name in ("file", "split", "folder", "force, split, manifest")]
        cases = []
        for scene in wanted:
            begin = time.monotonic()
            self.place.start(scene).go()
            lasts = time.monotonic() - begin
            cases += [(scene, moments.uniform(0, lasts)) for _ in range(50 if scenes.LONG else 1 if scenes.FEW else 5)]
        self.report(scenes.in_parallel(self.check_at_moment, cases), cases)


class Stops(FaultTestCase):
    """A run that is told to stop leaves everything as it was, or is so far that it ends as if nothing had been said."""

    def check(self, scene, at, name):
        calls, made, _ = self.place.undisturbed(scene)
        started = self.place.start(scene)
        result = started.go(fault=f"*:{at}:{name}")
        after = scenes.snapshot(started.out)
        problems = []
        if result.returncode == 0:
            if after != made:
                problems.append("exits 0 without the outputs")
            if not any(call == "fsync" for call, _ in calls[:at]):
                problems.append("does not stop")
        elif result.returncode != 128 + STOPS[name]:
            problems.append(f"exits {result.returncode}: {result.stderr.decode()[-300:]}")
        elif name == "int2" and "rename" in calls[at - 1][0]:
            problems.append("stops between two names")
        elif name == "int2":
            # It leaves at once, without a word; a folder that was made for the outputs may stay, or all may be there already.
            if after != made and {each: what for each, what in after.items() if what != "folder"} != started.before:
                problems.append(f"leaves {sorted(set(after.items()) ^ set(started.before.items()))}")
        elif after != started.before:
            problems.append(f"leaves {sorted(set(after.items()) ^ set(started.before.items()))}")
        elif b"interrupted; nothing was left behind" not in result.stderr:
            problems.append(f"says {result.stderr.decode()[-300:]}")
        started.remove()
        return [f"{scene.name}, {calls[at - 1]} ({at}), {name}: {problem}" for problem in problems]

    def test_before_any_call(self):
        cases = []
        for scene in scenes.SCENES:
            calls, _, _ = self.place.undisturbed(scene)
            ends, others = scenes.distinct(calls)
            places = scenes.sample(ends, 10, scene.name) + scenes.sample(others, 4, scene.name)
            cases += [(scene, at, name) for at in places for name in (STOPS if scenes.LONG else (list(STOPS)[at % 4],))]
            renames = [at for at, (call, _) in enumerate(calls, 1) if "rename" in call]
            cases += [(scene, at, "int2") for at in renames[:1] + renames[-1:]]
        self.report(scenes.in_parallel(self.check, cases), cases)
