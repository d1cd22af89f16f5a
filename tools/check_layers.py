#!/usr/bin/env python3
"""Checks that the arrows between the floors of the source tree point down, that libraries stay behind their doors, that
file names are unique and that no file is too large to know one's way in.

Usage: tools/check_layers.py [ROOT]

Reads every #include under include/qtz and src. Prints each violation as file:line: message; exit 1 when there is one.
The same rules in words: src/README.md.
"""

import pathlib
import re
import sys

# Floor -> the floors it may include from, beside itself. Exactly the picture in src/README.md.
EDGES = {
    "core": set(),
    "quants": {"core"},
    "kernels": {"quants", "core"},
    "linalg": {"kernels", "core"},
    "formats": {"core"},
    "model": {"formats", "core"},
    "forward": {"model", "kernels", "quants", "formats", "linalg", "core"},
    "methods": {"forward", "model", "kernels", "quants", "linalg", "core"},
    "pipeline": {"methods", "forward", "model", "formats", "kernels", "linalg", "quants", "core"},
    "cli": {"pipeline", "methods", "forward", "model", "formats", "kernels", "linalg", "quants", "core"},
}

# Private headers (src/<floor>) are for their own floor. The texts in src/quants are what kernels are made of.
PRIVATE_READERS = {"quants": {"kernels"}}

# Library -> (pattern of its headers, pattern of the files that may include them).
LIBRARIES = {
    "nlohmann-json": (r"nlohmann/", r"src/core/json\.cpp"),
    "PCRE2": (r"pcre2", r"src/core/regex\.cpp"),
    "OpenSSL": (r"openssl/", r"src/core/sha256\.cpp"),
    "xsimd": (r"xsimd/", r"src/quants/lane_[^/]*\.h|src/kernels/level_[^/]*\.cpp"),
    "intrinsics": (r"[a-z]mmintrin\.h|immintrin\.h|arm_neon\.h", r"src/quants/lane[^/]*\.h|src/kernels/[^/]*\.cpp"),
    "CUDA": (r"cuda|cublas|cusolver|thrust/|cub/", r"src/quants/lane_cuda\.cuh|src/kernels/cuda/.*"),
    "BLAS": (r"cblas|lapack|openblas", r"src/linalg/.*"),
    "utf8proc": (r"utf8proc", r"src/model/text/unicode\.cpp"),
    "CLI11": (r"CLI/", r"src/cli/.*"),
    "spdlog": (r"spdlog/|fmt/", r"src/cli/(console\.cpp|\w+_sink\.(h|cpp))"),
    "GoogleTest": (r"gtest/|gmock/", r"tests/.*"),
}

# Headers that the build makes, and the floor that uses each.
GENERATED = {"qtz_build_info.h": "cli", "report_template.h": "cli", "quant_texts.h": "kernels"}

MAX_LINES = 800

# Headers that only the top floor may use: the others are silent.
PRINTING = {"iostream", "print", "syncstream"}

STANDARD = set(
    """
    algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes climits
    clocale cmath compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef cstdint cstdio
    cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem format forward_list fstream
    functional future initializer_list iomanip ios iosfwd istream iterator latch limits list locale map memory
    memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator
    semaphore set shared_mutex source_location span sstream stack stacktrace stdexcept stop_token streambuf string
    string_view system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray
    variant vector version
    """.split()
)
SYSTEM = re.compile(r"(sys|linux)/[\w./]+\.h|(dirent|dlfcn|errno|fcntl|malloc|poll|pthread|sched|signal|stdio|stdlib|unistd)\.h")

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")')
SOURCES = {".h", ".hpp", ".cpp", ".inl", ".def", ".cu", ".cuh"}


def floor_of(path):
    """(floor, is_private) of a path relative to the root, or (None, False)."""
    parts = path.parts
    if len(parts) > 3 and parts[:2] == ("include", "qtz"):
        return parts[2], False
    if len(parts) > 2 and parts[0] == "src":
        return parts[1], True
    return None, False


def resolve(root, including, name):
    """Path relative to the root of a quoted or angled include of ours; None for anything else."""
    for base in (including.parent, pathlib.Path("src"), pathlib.Path("include")):
        candidate = root / base / name
        if candidate.is_file():
            relative = candidate.resolve().relative_to(root)
            if floor_of(relative)[0]:
                return relative
    return None


def library_of(name):
    for library, (headers, _) in LIBRARIES.items():
        if re.match(headers, name):
            return library
    return None


def check_include(root, path, name, quoted):
    floor, _ = floor_of(path)
    target = resolve(root, path, name)
    if target is not None:
        below, private = floor_of(target)
        if below == floor:
            return None
        if below not in EDGES:
            return f"includes {name} of '{below}', which is no floor"
        if below not in EDGES[floor]:
            return f"'{floor}' must not include from '{below}' ({name})"
        if private and floor not in PRIVATE_READERS.get(below, set()):
            return f"'{name}' is private to '{below}'; what others need belongs in include/qtz/{below}"
        return None

    library = library_of(name)
    if library is not None:
        if re.fullmatch(LIBRARIES[library][1], path.as_posix()):
            return None
        return f"{library} (<{name}>) may be included only in {LIBRARIES[library][1]}"
    if quoted:
        return None if GENERATED.get(name) == floor else f'"{name}" is not found in the tree'
    if name in PRINTING and floor != "cli":
        return f"<{name}>: only the cli floor prints"
    if name in STANDARD or name in PRINTING or SYSTEM.fullmatch(name):
        return None
    return f"<{name}> is not the standard library and no listed one; add it to tools/check_layers.py on purpose"


def check_file(root, path):
    floor, _ = floor_of(path)
    if floor is None:
        return []
    if floor not in EDGES:
        return [(1, f"'{floor}' is no floor")]
    problems = []
    lines = (root / path).read_text(encoding="utf-8").splitlines()
    if len(lines) > MAX_LINES:
        problems.append((MAX_LINES, f"{len(lines)} lines; split it"))
    for number, line in enumerate(lines, start=1):
        match = INCLUDE.match(line)
        if not match:
            continue
        problem = check_include(root, path, match[1] or match[2], quoted=match[2] is not None)
        if problem:
            problems.append((number, problem))
    return problems


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent).resolve()
    files = [
        file.relative_to(root)
        for top in ("include/qtz", "src")
        for file in sorted((root / top).rglob("*"))
        if file.suffix in SOURCES and file.is_file()
    ]
    if not files:
        print(f"{root}: no sources found", file=sys.stderr)
        return 2
    count = 0
    first = {}
    for path in files:
        other = first.setdefault(path.name, path)
        if other != path:
            print(f"{path}:1: there is already {other}; file names are unique")
            count += 1
        for number, problem in check_file(root, path):
            print(f"{path}:{number}: {problem}")
            count += 1
    print(f"check_layers: {len(files)} files, {count} violations")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
