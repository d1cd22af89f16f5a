"""What the interop tests share: running qtz and llama.cpp, and making the tiny checkpoints."""

import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import gguf
import numpy

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parent / "data"
DEMO = DATA / "demo"
ARCHITECTURES = DATA / "arch"
QTZ = os.environ["QTZ_BINARY"]


def run_qtz(*arguments):
    """Runs qtz and returns its stdout; a failure shows what it said."""
    result = subprocess.run([QTZ, *map(str, arguments)], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise AssertionError(f"qtz {' '.join(map(str, arguments))} exits {result.returncode}:\n{result.stderr}")
    return result.stdout


def run_llama(*arguments):
    """Runs a command of llama_worker.py in a process of its own: llama.cpp ends the process when it dislikes a file."""
    result = subprocess.run(
        [sys.executable, HERE / "llama_worker.py", *map(str, arguments)],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if result.returncode != 0:
        said = "\n".join(result.stderr.splitlines()[-15:])
        raise AssertionError(f"llama.cpp {arguments[0]} exits {result.returncode}:\n{said}")
    return result.stdout


def llama_logits(model, ids, exact=False):
    """float32 [n, vocabulary]; `exact` keeps the key-value cache in F32 and flash attention off."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "logits.npy"
        ids_file = pathlib.Path(folder) / "ids.json"
        ids_file.write_text(json.dumps(list(map(int, ids))))
        run_llama("logits", model, ids_file, out, *(["--exact"] if exact else []))
        return numpy.load(out)


def tensor_hashes(path):
    """Name -> (type, dimensions, sha256 of the stored bytes) of every tensor of a GGUF."""
    reader = gguf.GGUFReader(path)
    return {
        tensor.name: (
            tensor.tensor_type.name,
            tuple(int(dim) for dim in tensor.shape),
            hashlib.sha256(tensor.data.tobytes()).hexdigest(),
        )
        for tensor in reader.tensors
    }


def metadata(path):
    """Key -> contents of every key of a GGUF (without the reader's own GGUF.* fields)."""
    reader = gguf.GGUFReader(path)
    return {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}


def write_imatrix(path, model):
    """An importance matrix with made-up values for all matrices of a model's blocks, for each expert its own."""
    rng = numpy.random.default_rng(7)
    writer = gguf.GGUFWriter(path, arch="imatrix")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", ["made up"])
    writer.add_uint32("imatrix.chunk_count", 3)
    writer.add_uint32("imatrix.chunk_size", 512)
    for tensor in gguf.GGUFReader(model).tensors:
        if tensor.name.startswith("blk.") and len(tensor.shape) > 1:
            experts = int(tensor.shape[2]) if len(tensor.shape) > 2 else 1
            values = rng.gamma(0.5, size=(experts, int(tensor.shape[0]))).astype(numpy.float32)
            writer.add_tensor(tensor.name + ".in_sum2", 7 * values)
            writer.add_tensor(tensor.name + ".counts", numpy.full((experts, 1), 7, dtype=numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def architecture_folders():
    """The folders with reference logits that a checkpoint can be made from."""
    return sorted(path.parent for path in ARCHITECTURES.glob("*/logits.npy"))


def make_checkpoint(name, folder):
    """Makes the tiny checkpoint of tests/data/arch/NAME as a hub folder and returns its path."""
    script = ARCHITECTURES / "make_checkpoint.py"
    subprocess.run([sys.executable, script, name, folder], check=True)
    return pathlib.Path(folder) / name


class FolderTestCase(unittest.TestCase):
    """A test case with a temporary folder of its own for all its tests."""

    @classmethod
    def setUpClass(cls):
        cls._folder = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls._folder.name)

    @classmethod
    def tearDownClass(cls):
        cls._folder.cleanup()

    def quantize(self, model, file_type, *flags):
        out = self.folder / f"{pathlib.Path(model).stem}-{file_type}-{len(flags)}.gguf"
        if not out.exists():
            run_qtz("quantize", model, "--type", file_type, "-o", out, "-q", *flags)
        return out
