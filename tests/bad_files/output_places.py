"""O: where an output may not go, and outputs that are not what they should be."""

import os

import bad_bytes as b
import fixtures
import tiny_model
from bad_bytes import gguf, imatrix, imatrix_entry, record, text, u32
from bad_case import Case

BASE = "quantize {in} --type Q8_0 --threads 2 "
NAME = "x.safetensors"
STALE = "out/.x.gguf.qtz-999999999-0.tmp"


def plain(folder):
    fixtures.write_safetensors(folder / NAME, {"a.weight": ("BF16", [4, 256], fixtures.ramp(4, 256))})


def spoiled(folder):
    data = fixtures.ramp(4, 256)[:-2] + b"\xff\x7f"
    fixtures.write_safetensors(folder / NAME, {"a.weight": ("BF16", [4, 256], data)})


def all_files(folder):
    """The model with a recipe, a metadata file and an importance matrix beside it."""
    tiny_model.folder()(folder)
    (folder / "r.recipe").write_text("attn_q = Q8_0\n")
    (folder / "m.json").write_text("{}")
    (folder / "m.dat").write_bytes(imatrix(imatrix_entry(b"blk.0.attn_q.weight")))


def with_link(make):
    def build(folder):
        plain(folder)
        make(folder / NAME, folder / "link.gguf")

    return build


def with_place(make):
    def build(folder):
        plain(folder)
        make(folder / "place")

    return build


def refused(id, name, build, flags, piece, code=5, input=NAME, **more):
    return Case(id, name, build, input, (BASE + flags,), code, piece, **more)


def over(name):
    """A file that the run reads is its output, too."""
    flags = "--imatrix {folder}/m.dat --recipe {folder}/r.recipe --metadata {folder}/m.json --force -o {folder}/" + name
    return refused("O03", f"output is {name}", all_files, flags, "input", input="model", at=name.rpartition("/")[2])


def exists(folder):
    plain(folder)
    (folder / "out" / "x.gguf").write_bytes(b"precious")


def exists_and_spoiled(folder):
    spoiled(folder)
    (folder / "out" / "x.gguf").write_bytes(b"precious")


def stale(folder):
    """What a killed run of long ago left."""
    plain(folder)
    (folder / STALE).write_bytes(b"left")


def split_input(folder):
    for number in (0, 1):
        keys = [
            b.ARCH,
            b.kv("split.no", b.U16, number.to_bytes(2, "little")),
            b.kv("split.count", b.U16, b"\2\0"),
            b.kv("split.tensors.count", b.I32, u32(2)),
        ]
        data = gguf(keys, [record(f"t{number}.weight")])
        (folder / f"m-0000{number + 1}-of-00002.gguf").write_bytes(data)


def artifact(weights):
    """A GGUF of these F32 weights beside the safetensors file of 1, 2, 3 ... 32."""

    def build(folder):
        fixtures.write_safetensors(folder / NAME, {"a.weight": ("F32", [1, 32], b.f32(*range(1, 33)))})
        (folder / "x.gguf").write_bytes(gguf((b.kv("general.type", b.STRING, text("model")),), data=b.f32(*weights)))

    return build


def judged(name, weights, piece, code=7):
    command = "verify {in} --source {folder}/" + NAME
    return Case("O22", name, artifact(weights), "x.gguf", (command,), code, piece, at="x.gguf" if code else "")


CASES = [
    refused("O01", "output is the input", plain, "--force -o {in}", "input", at=NAME),
    refused("O01", "output is the input, without force", plain, "-o {in}", NAME),
    refused("O02", "output is a symbolic link to the input", with_link(lambda old, new: os.symlink(old, new)), "--force -o {folder}/link.gguf", "input", at="link.gguf"),
    refused("O02", "output is a hard link to the input", with_link(lambda old, new: os.link(old, new)), "--force -o {folder}/link.gguf", "input", at="link.gguf"),
    *(over(name) for name in ("model/config.json", "model/tokenizer.json", "m.dat", "r.recipe", "m.json")),
    refused("O04", "output is the input by a detour", plain, "--force -o {folder}/out/../" + NAME, "input", at=NAME),
    refused("O05", "shards over the input's", split_input, "--force --keep-split -o {folder}/m.gguf", "input", input="m-00001-of-00002.gguf", at="m-0000"),
    refused("O06", "output exists", exists, "-o {out}", "--force", at="x.gguf"),
    refused("O07", "failure with force", exists_and_spoiled, "--force -o {out}", "1 NaN value", 6, at="a.weight"),
    refused("O07", "failure without", spoiled, "-o {out}", "1 NaN value", 6, at="a.weight"),
    refused("O09", "folder missing", plain, "-o {folder}/no/such/x.gguf", "No such file or directory", at="no/such"),
    refused("O09", "folder is a file", with_place(lambda path: path.write_bytes(b"x")), "-o {folder}/place/x.gguf", "is not a folder", at="place"),
    refused("O09", "folder without permission", with_place(lambda path: os.mkdir(path, 0o500)), "-o {folder}/place/x.gguf", "Permission denied", at="place", bare=True),
    refused("O09", "output in /proc", plain, "-o /proc/x.gguf", "/proc/x.gguf"),
    refused("O10", "output is /dev/null", plain, "--force -o /dev/null", "not a regular file", at="/dev/null"),
    refused("O10", "output is /dev/full", plain, "--force -o /dev/full", "not a regular file", at="/dev/full"),
    refused("O10", "output is a pipe", with_place(os.mkfifo), "--force -o {folder}/place", "not a regular file", at="place"),
    refused("O10", "output is a link to nothing", with_place(lambda path: os.symlink("nothing", path)), "--force -o {folder}/place", "is a symbolic link to nothing", at="place"),
    refused("O12", "output larger than files may be", plain, "-o {out}", "x.gguf", limits=(("RLIMIT_FSIZE", 1000),)),
    Case("O18", "file of a killed run", stale, NAME, (BASE + "-o {out}", "verify {out} --source {in}"), 0, "ok", gone=(STALE,)),
    refused("O21", "path of 5000 bytes", plain, "-o {folder}/" + "d/" * 2500 + "x.gguf", "File name too long"),
    refused("O21", "name of 256 bytes", plain, "-o {folder}/out/" + "n" * 251 + ".gguf", "File name too long"),
    Case("O21", "name of 255 bytes", plain, NAME, (BASE + "-o {folder}/out/" + "n" * 250 + ".gguf",), 0, "wrote"),
    judged("nothing wrong", range(1, 33), "ok", 0),
    judged("one weight another", [1.5, *range(2, 33)], "a.weight"),
    judged("zeros", [0.0] * 32, "a.weight"),
    judged("one weight NaN", [float("nan"), *range(2, 33)], "a.weight"),
    Case("O23", "shards smaller than a tensor", plain, NAME, (BASE + "--split-max-size 1 -o {out}",), 0, "wrote"),
    refused("O23", "shards of no size", plain, "--split-max-size 0 -o {out}", "--split-max-size needs a size", 2),
]  # fmt: skip
