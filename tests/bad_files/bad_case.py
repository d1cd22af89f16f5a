"""What a row of the corpus is, and how one is run: in a folder of its own, under bounds, with nothing left behind."""

import dataclasses
import os
import pathlib
import resource
import shlex
import signal
import subprocess
import time
import typing

QUANTIZE = "quantize {in} --type Q8_0 --threads 2 -o {out}"
PLAN = "plan {in} --type Q8_0"
INSPECT = "inspect {in}"
VERIFY = "verify {out} --source {in}"

MB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Case:
    """One input and how qtz must answer. Every command must exit with `code`, and have `piece` in its error; where
    the code is 0, `piece` is anywhere in what the commands say. `at` is a name that every error must give."""

    id: str
    name: str
    build: typing.Any  # the bytes of `input`, or a function of the folder that makes it and what belongs to it
    input: str  # {in}: a file or folder in the case's folder
    commands: tuple
    code: int
    piece: str
    at: str = ""
    memory: int = 200 * MB  # peak resident bytes of one command, more under sanitizers
    bare: bool = False  # needs an unprivileged user
    limits: tuple = ()  # of (name of resource, value)
    gone: tuple = ()  # what a run may take away
    environment: typing.Any = None  # all of it, when it is not the tests' own

    def make(self, folder):
        folder = pathlib.Path(folder)
        if isinstance(self.build, bytes):
            (folder / self.input).write_bytes(self.build)
        else:
            made = self.build(folder)
            if isinstance(made, bytes):
                (folder / self.input).write_bytes(made)


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What no case may exceed. The address space cannot be bounded under sanitizers: their shadow fills it."""

    sanitized: bool

    def apply(self, case):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if not self.sanitized:
            resource.setrlimit(resource.RLIMIT_AS, (1024 * MB, 1024 * MB))
        for name, value in case.limits:
            resource.setrlimit(getattr(resource, name), (value, value))

    def resident(self, case):
        return case.memory * 2 + 600 * MB if self.sanitized else case.memory

    @property
    def budget(self):
        """What --max-memory is given in the place of 256M: sanitizers hold about that much before anything runs."""
        return "1G" if self.sanitized else "256M"

    @property
    def seconds(self):  # a hang is a hang; nothing here comes near
        return 300 if self.sanitized else 60


@dataclasses.dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str
    resident: int


def run_command(qtz, arguments, case, folder, bounds):
    """Runs to the end, or to the bound on time; the output goes through files so that nothing ever waits."""
    environment = case.environment
    if environment is None:
        environment = {k: v for k, v in os.environ.items() if k not in ("QTZ_BACKEND", "NO_COLOR")}
    paths = [pathlib.Path(str(folder) + suffix) for suffix in (".stdout", ".stderr")]
    with open(paths[0], "wb") as out, open(paths[1], "wb") as err:
        process = subprocess.Popen(
            [qtz, *arguments], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            preexec_fn=lambda: bounds.apply(case),
        )  # fmt: skip
        end = time.monotonic() + bounds.seconds
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid != 0:
                break
            if time.monotonic() > end:
                os.kill(process.pid, signal.SIGKILL)
                end = float("inf")
            time.sleep(0.002)
    process.returncode = os.waitstatus_to_exitcode(status)
    out, err = (path.read_bytes().decode("utf-8", "replace") for path in paths)
    for path in paths:
        path.unlink()
    return Ended(process.returncode, out, err, usage.ru_maxrss * 1024)


def listing(folder):
    """Names below the folder with what a run must not change."""
    entries = {}
    for path in sorted(pathlib.Path(folder).rglob("*")):
        status = path.lstat()
        entries[str(path.relative_to(folder))] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ino)
    return {name: entry if not (entry[0] & 0o040000) else entry[0] for name, entry in entries.items()}


def problems_of_errors(case, ended):
    problems = []
    lines = ended.err.splitlines()
    errors = [i for i, line in enumerate(lines) if line.startswith("error: ")]
    if len(errors) != 1:
        return [f"{len(errors)} error lines"]
    error, rest = lines[errors[0]], lines[errors[0] + 1 :]
    if rest and (len(rest) > 1 or not rest[0].startswith("hint: ")):
        problems.append("the error is more than a line and a hint")
    if case.piece not in error + "\n".join(rest):
        problems.append(f"the error lacks {case.piece!r}")
    if case.at not in error:
        problems.append(f"the error does not name {case.at!r}")
    if len(error) > 2000:
        problems.append(f"the error has {len(error)} characters")
    return problems


def problems_of_run(case, ended, bounds):
    problems = []
    if ended.code < 0:
        problems.append(f"dies of signal {-ended.code}")
    elif ended.code != case.code:
        problems.append(f"exits {ended.code}, not {case.code}")
    if "Sanitizer" in ended.err or "runtime error:" in ended.err:
        problems.append("a sanitizer reports")
    if ended.resident > bounds.resident(case):
        problems.append(f"takes {ended.resident // MB} MB of memory")
    for text in (ended.out, ended.err):
        if any(ord(c) < 32 and c != "\n" or ord(c) == 127 for c in text):
            problems.append("raw control characters in the output")
    if case.code != 0:
        problems += problems_of_errors(case, ended)
    return problems


def problems_of_remains(case, before, after):
    problems = [f"{name} is changed" for name in before if before[name] != after.get(name) and name not in case.gone]
    made = sorted(set(after) - set(before))
    if case.code != 0 and made:
        problems.append(f"leaves {made}")
    problems += [f"leaves {name}" for name in made if name.endswith(".tmp")]
    return problems


def check(case, qtz, folder, bounds, show=False):
    """The problems of a case, each with the command it was seen at."""
    folder = pathlib.Path(folder)
    (folder / "out").mkdir(parents=True)
    case.make(folder)
    before = listing(folder)
    fields = {"in": shlex.quote(str(folder / case.input)), "out": shlex.quote(str(folder / "out" / "x.gguf"))}
    fields["folder"] = shlex.quote(str(folder))
    fields["budget"] = bounds.budget
    problems, said = [], ""
    for command in case.commands:
        arguments = shlex.split(command.format(**fields))
        ended = run_command(qtz, arguments, case, folder, bounds)
        said += ended.out + ended.err
        found = problems_of_run(case, ended, bounds)
        if show or found:
            print(f"    qtz {shlex.join(arguments)}\n    exit {ended.code}, {ended.resident // MB} MB\n{ended.err[:3000]}")
        problems += [f"{problem} ({command.split()[0]})" for problem in found]
    if case.code == 0 and case.piece not in said:
        problems.append(f"nowhere says {case.piece!r}")
    return problems + problems_of_remains(case, before, listing(folder))
