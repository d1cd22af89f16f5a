#!/usr/bin/env python3
"""Real llama.cpp (through cyllama) in a process of its own.

  llama_worker.py quantize IN.gguf OUT.gguf FILE_TYPE_NUMBER [IMATRIX.gguf]
  llama_worker.py logits MODEL.gguf IDS.json OUT.npy [--exact]
  llama_worker.py windows MODEL.gguf WINDOWS.json OUT.npy THREADS
  llama_worker.py tokens MODEL.gguf TEXT_FILE
  llama_worker.py cut MODEL.gguf TEXTS.json OUT.json [--add-special] [--parse-special]
"""

import ctypes
import json
import sys
import time

import gguf
import numpy
from cyllama.llama import llama_cpp

F32 = 0  # ggml's number of the type


class Model(llama_cpp.LlamaModel):
    @property
    def n_vocab(self):  # cyllama 0.2.18's contexts look for it on the model
        return self.get_vocab().n_vocab


class Importance(ctypes.Structure):
    """llama_model_imatrix_data; a null name ends the list."""

    _fields_ = [("name", ctypes.c_char_p), ("data", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class QuantizeParams(ctypes.Structure):
    """The start of llama_model_quantize_params."""

    _fields_ = [
        *((name, ctypes.c_int32) for name in ("nthread", "ftype", "output_tensor_type", "token_embedding_type")),
        ("flags", ctypes.c_bool * 6),
        ("imatrix", ctypes.c_void_p),
    ]


def set_importance(params, path):
    """Points cyllama's parameters, which hide that field, at the values of an importance matrix; returns what must live
    as long as they do."""
    sums = {tensor.name: tensor.data for tensor in gguf.GGUFReader(path).tensors}
    values = {}
    for name, data in sums.items():
        if name.endswith(".in_sum2"):
            counts = sums[name.replace(".in_sum2", ".counts")].astype(numpy.float32)
            values[name.removesuffix(".in_sum2")] = (data.reshape(counts.size, -1) / counts.reshape(-1, 1)).ravel()
    entries = (Importance * (len(values) + 1))()
    for entry, (name, each) in zip(entries, values.items()):
        entry.name, entry.data, entry.size = name.encode(), each.ctypes.data, each.size
    # The C structure lies inside the Python object, after its head: five of its fields tell where.
    for offset in range(16, params.__sizeof__() - ctypes.sizeof(QuantizeParams) + 1, 8):
        inside = QuantizeParams.from_address(id(params) + offset)
        found = (inside.nthread, inside.ftype, inside.output_tensor_type, inside.token_embedding_type, inside.imatrix)
        if found == (params.nthread, params.ftype, params.output_tensor_type, params.token_embedding_type, None):
            inside.imatrix = ctypes.addressof(entries)
            return values, entries
    sys.exit("cyllama's quantization parameters are not what they were")


def quantize(source, target, file_type, imatrix=None):
    params = llama_cpp.LlamaModelQuantizeParams()
    params.ftype = int(file_type)
    params.nthread = 2
    kept = set_importance(params, imatrix) if imatrix else None
    llama_cpp.model_quantize(source, target, params)
    del kept


def open_model(path):
    return Model(path, llama_cpp.LlamaModelParams(), verbose=False)


def logits(path, ids_file, target, exact):
    with open(ids_file, encoding="utf-8") as file:
        ids = json.load(file)
    params = llama_cpp.LlamaContextParams()
    params.n_ctx = params.n_batch = params.n_ubatch = max(64, len(ids))
    if exact:
        params.type_k = params.type_v = F32
        params.flash_attn_type = 0
    model = open_model(path)
    context = llama_cpp.LlamaContext(model, params, False)
    batch = llama_cpp.LlamaBatch(n_tokens=len(ids), embd=0, n_seq_max=1)
    for position, token in enumerate(ids):
        batch.add(token, position, [0], True)
    context.decode(batch)
    rows = [numpy.asarray(context.get_logits_ith(i), dtype=numpy.float32) for i in range(len(ids))]
    numpy.save(target, numpy.stack(rows))


def windows(path, windows_file, target, threads):
    """Logits of the second half of every window but its last token, as llama-perplexity scores them; prints the seconds
    that llama_decode took."""
    with open(windows_file, encoding="utf-8") as file:
        texts = json.load(file)
    length = len(texts[0])
    params = llama_cpp.LlamaContextParams()
    params.n_ctx = params.n_batch = params.n_ubatch = length
    params.n_threads = params.n_threads_batch = int(threads)
    model = open_model(path)
    rows, seconds = [], 0.0
    for text in texts:
        context = llama_cpp.LlamaContext(model, params, False)
        batch = llama_cpp.LlamaBatch(n_tokens=length, embd=0, n_seq_max=1)
        for position, token in enumerate(text):
            batch.add(token, position, [0], length // 2 <= position < length - 1)
        start = time.perf_counter()
        context.decode(batch)
        first = numpy.asarray(context.get_logits_ith(length // 2), dtype=numpy.float32)  # waits for the result
        seconds += time.perf_counter() - start
        rows.append(first)
        rows += [numpy.asarray(context.get_logits_ith(i), dtype=numpy.float32) for i in range(length // 2 + 1, length - 1)]
    numpy.save(target, numpy.stack(rows))
    print(seconds)


def tokens(path, text_file):
    with open(text_file, encoding="utf-8") as file:
        text = file.read()
    model = open_model(path)  # the vocabulary lives in it
    print(json.dumps([int(token) for token in model.get_vocab().tokenize(text, True, False)]))


def cut(path, texts_file, target, add_special, parse_special):
    with open(texts_file, encoding="utf-8") as file:
        texts = json.load(file)
    model = open_model(path)
    vocabulary = model.get_vocab()
    ids = [[int(token) for token in vocabulary.tokenize(text, add_special, parse_special)] for text in texts]
    with open(target, "w", encoding="utf-8") as file:
        json.dump(ids, file)


def main():
    command, *arguments = sys.argv[1:]
    if command == "quantize":
        quantize(*arguments)
    elif command == "logits":
        logits(*arguments[:3], exact="--exact" in arguments)
    elif command == "windows":
        windows(*arguments)
    elif command == "tokens":
        tokens(*arguments)
    elif command == "cut":
        cut(*arguments[:3], add_special="--add-special" in arguments, parse_special="--parse-special" in arguments)
    else:
        sys.exit(f"unknown command {command}")


if __name__ == "__main__":
    main()
