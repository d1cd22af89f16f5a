#!/usr/bin/env python3
"""Lets an installed torch be imported without the CUDA packages it declares (gigabytes that a CPU never uses).

Usage: VENV/bin/python torch_without_cuda.py

PyPI's torch for Linux on x86-64 is built for CUDA only and links to CUDA's libraries by name. For those that are not there,
this puts one small library beside torch's own, under all their names, whose functions do nothing but report an error:
torch then finds no device and computes on the CPU. Needs `cc`, `readelf` and `nm`, which a C++ build has anyway. Does
nothing where torch can be imported as it is, for example a CPU build.
"""

import pathlib
import re
import subprocess
import sys
import sysconfig

CUDA_LIBRARY = re.compile(r"lib(cu|nv|nccl)\w*\.so")
CUDA_FUNCTION = re.compile(r"(?:__)?(?:cu|nv|nccl)\w+")
IMPORT = "import torch; torch.cuda.is_available()"
STUB = "libqtz_no_cuda.so"


def tool(*arguments):
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def definition(function):
    """C text of a function that fails: with cudaErrorNoDevice, which torch takes for "no device", or with a message."""
    if re.search("GetErrorString|GetErrorName", function):
        return f'const char* {function}(void) {{ return "no CUDA"; }}'
    return f"int {function}(void) {{ return 100; }}"


def can_import():
    return subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, check=False).returncode == 0


def main():
    folder = pathlib.Path(sysconfig.get_paths()["platlib"]) / "torch" / "lib"
    if not folder.is_dir():
        sys.exit("torch_without_cuda: torch is not installed")
    if can_import():
        return
    needed, defined, wanted = set(), set(), {}  # wanted: function -> version that it is asked for with, or ""
    for library in sorted(folder.glob("*.so")):
        if library.name == STUB:
            continue
        needed.update(re.findall(r"\(NEEDED\).*\[(.*)\]", tool("readelf", "-d", library)))
        for line in tool("nm", "-D", library).splitlines():
            kind, symbol = line.split()[-2:]
            name, _, version = symbol.partition("@")
            if kind != "U":
                defined.add(name)
            elif CUDA_FUNCTION.fullmatch(name):
                wanted[name] = version
    functions = sorted(wanted.keys() - defined)
    versions = {version: [f for f in functions if wanted[f] == version] for version in sorted(set(wanted.values()) - {""})}
    script = folder / "qtz_no_cuda.map"
    script.write_text("".join(f"{key} {{ global: {'; '.join(names)}; }};\n" for key, names in versions.items()))
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-w", "-fno-builtin", f"-Wl,--version-script={script}", "-x", "c", "-", "-o", folder / STUB],
        input="\n".join(map(definition, functions)),
        text=True,
        check=True,
    )
    for name in sorted(needed):
        if CUDA_LIBRARY.match(name) and not (folder / name).exists():
            (folder / name).symlink_to(STUB)
    if not can_import():
        sys.exit("torch_without_cuda: torch still cannot be imported")


if __name__ == "__main__":
    main()
