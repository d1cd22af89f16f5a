"""S: command lines, recipes and the process's surroundings."""

import fixtures
import tiny_model
from bad_case import Case

NAME = "x.safetensors"
PLAN = "plan {in} --type Q4_0 "
RUN = "quantize {in} --type Q4_0 -o {out} "


def plain(folder):
    fixtures.write_safetensors(folder / NAME, {"a.weight": ("BF16", [4, 256], fixtures.ramp(4, 256))})


def misused(id, name, flags, piece):
    return Case(id, name, plain, NAME, (PLAN + flags, RUN + flags), 2, piece)


def recipe(content):
    def build(folder):
        plain(folder)
        (folder / "r.recipe").write_bytes(content() if callable(content) else content)

    return build


def bad_recipe(name, content, piece, code=2, at="r.recipe"):
    return Case("S14", name, recipe(content), NAME, (PLAN + "--recipe {folder}/r.recipe", RUN + "--recipe {folder}/r.recipe"), code, piece, at=at)  # fmt: skip


def good_recipe(name, content, piece="= Q8_0"):
    return Case("S14", name, recipe(content), NAME, (PLAN + "--recipe {folder}/r.recipe",), 0, piece)


def metadata(name, content, piece, at="m.json", code=4):
    def build(folder):
        plain(folder)
        (folder / "m.json").write_bytes(content)

    return Case("S14", name, build, NAME, (PLAN + "--metadata {folder}/m.json",), code, piece, at=at)


def huge(folder):
    """140 GB of weights without a byte on the disk."""
    tensors = {f"blk.{i}.weight": ("F16", [131072, 16384], b"") for i in range(33)}
    fixtures.write_safetensors(folder / NAME, tensors)


def shards(count):
    def build(folder):
        model = folder / "model"
        tiny_model.folder()(folder)
        (model / "model.safetensors").unlink()
        tensors = list(tiny_model.tensors().items())
        for number in range(count):
            part = dict(tensors[number :: count])
            fixtures.write_safetensors(model / f"model-{number + 1:05}-of-{count:05}.safetensors", part)

    return build


LONG = "a" * 100000

CASES = [
    Case("S08", "plan of 140 GB in 256 MB", huge, NAME, (PLAN + "--max-memory {budget} --threads 2",), 0, "= Q4_0"),
    Case("S08", "memory for nothing", huge, NAME, (PLAN + "--max-memory 1M --threads 2", RUN + "--max-memory 1M --threads 2"), 8, "--max-memory is 1.00 MB"),
    Case("S09", "16 shards where 14 files may be open", shards(16), "model", (PLAN + "--threads 2", RUN + "--threads 2"), 8, "ulimit -n", limits=(("RLIMIT_NOFILE", 14),)),
    Case("S09", "4 shards where 14 files may be open", shards(4), "model", (RUN + "--threads 2", "verify {out} --source {in}"), 0, "ok", limits=(("RLIMIT_NOFILE", 14),)),
    Case("S10", "stack of 256 kB", plain, NAME, (RUN + "--threads 2", "verify {out} --source {in}"), 0, "ok", limits=(("RLIMIT_STACK", 256 * 1024),)),
    *(misused("S12", f"{n!r} threads", f"--threads '{n}'", "--threads needs a whole number") for n in ("-1", "1e9", "0x10", " 2", "2 ", "99999999999999999999", "1.5")),
    Case("S12", "0 threads are all", plain, NAME, (RUN + "--threads 0",), 0, "wrote"),
    misused("S13", "flag of 100,000 bytes", "--" + LONG, "unknown flag"),
    misused("S13", "flag with escapes", "'--\x1b[31m\n'", "unknown flag"),
    misused("S13", "type of 100,000 bytes", "--tensor-type a=" + LONG, "unknown tensor type"),
    misused("S13", "type not UTF-8", "--tensor-type a=\udcff", "unknown tensor type"),
    *(misused("S13", f"size {n!r}", f"--max-memory '{n}'", "--max-memory needs a size") for n in ("-1", "1e99", "99999999999999999999G", "18446744073709551615G", "G", "2GG", "nan", "0x10")),
    *(misused("S13", f"layers {n!r}", f"--prune-layers '{n}'", "--prune-layers") for n in ("-1", "1-", "a", ",", "1,,2", "99999999999999999999", "18446744073709551616")),
    *(misused("S13", f"override {n!r}", f"--override-kv '{n}'", piece) for n, piece in (("=int:3", "KEY=TYPE:VALUE"), ("k", "KEY=TYPE:VALUE"), ("k=int", "KEY=TYPE:VALUE"), ("k=int:", "''"), ("k=int:3x", "'3x'"), ("k=int:4294967296", "'4294967296'"), ("k=u8:-1", "'-1'"), ("k=i8:128", "'128'"), ("k=i64:9223372036854775808", "'9223372036854775808'"), ("k=u64:18446744073709551616", "'18446744073709551616'"), ("k=float:", "''"), ("k=float:1e999", "'1e999'"), ("k=float:1e39", "'1e39'"), ("k=f64:1x", "'1x'"), ("k=bool:1", "true or false"))),
    misused("S13", "override of a key of 65,536 bytes", "--override-kv " + "k" * 65536 + "=int:3", "65535"),
    misused("S13", "override of a text not UTF-8", "--override-kv k=str:\udcff", "is not text in UTF-8"),
    misused("S13", "model's name not UTF-8", "--model-name \udcff", "is not UTF-8"),
    bad_recipe("broken expression", b"attn[ = Q8_0\n", "attn["),
    bad_recipe("unknown type", b"a = Q9_9\n", "Q9_9"),
    bad_recipe("type missing", b"a =\n", "r.recipe:1:"),
    bad_recipe("no equals sign", b"\n\nweight Q8_0\n", "r.recipe:3:"),
    bad_recipe("17 MB", lambda: b"# a comment\n" * 1_500_000, "at most", 4),
    bad_recipe("expression of 100,000 bytes", b"a" * 100000 + b" = Q8_0\n", "r.recipe:1:"),
    bad_recipe("expression of 1000 open groups", b"(" * 1000 + b" = Q8_0\n", "r.recipe:1:"),
    bad_recipe("NUL in a line", b"a = Q8\0_0\n", "r.recipe:1:"),
    bad_recipe("not UTF-8", b"\xff = Q8_0\n", "r.recipe:1:"),
    Case("S14", "recipe is a folder", plain, NAME, (PLAN + "--recipe {folder}",), 4, "is not a regular file"),
    Case("S14", "expression that backtracks", plain, NAME, (PLAN + "--tensor-type '(a+)+(a+)+(a+)+$=Q8_0'",), 2, "matches no tensor"),
    good_recipe("lines that end in CR LF", b"# note\r\na = Q8_0\r\n"),
    good_recipe("byte order mark", b"\xef\xbb\xbfa = Q8_0\n"),
    good_recipe("no line end", b"a = Q8_0"),
    metadata("metadata an array", b"[]", "object"),
    metadata("metadata cut", b'{"general.name": ', "not valid JSON"),
    metadata("metadata of another kind", b'{"general.name": 7}', "general.name"),
    Case("S17", "no environment", plain, NAME, (RUN + "--threads 2", "verify {out} --source {in}"), 0, "ok", environment={}),
    Case("S17", "folders of the environment that are not there", plain, NAME, (RUN + "--threads 2",), 0, "wrote", environment={"HOME": "/nowhere", "TMPDIR": "/nowhere", "PATH": ""}),
]  # fmt: skip
