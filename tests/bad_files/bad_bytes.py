"""Bytes of safetensors, GGUF, importance matrices and SentencePiece models, field by field, so that a case can have
exactly one wrong field in an otherwise good file."""

import json
import struct


def u32(value):
    return struct.pack("<I", value % 2**32)


def u64(value):
    return struct.pack("<Q", value % 2**64)


def i32(value):
    return struct.pack("<i", value)


def f32(*values):
    return struct.pack(f"<{len(values)}f", *values)


# --- safetensors


def entry(shape=(1, 32), begin=0, size=None, dtype="F32"):
    """A tensor's entry of the header; F32 unless told otherwise."""
    if size is None:
        size = 4
        for dim in shape:
            size *= dim
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, begin + size]}


def safetensors(header, data=b"", length=None):
    """`header`: a dict, or text or bytes as they are to be stored. `length`: what the file says of it."""
    if isinstance(header, dict):
        header = json.dumps(header)
    if isinstance(header, str):
        header = header.encode("utf-8", "surrogatepass")
    return u64(len(header) if length is None else length) + header + data


def one_tensor(name="a.weight", **fields):
    """A sound file of one tensor, of which the given fields of the entry are replaced; None removes one."""
    stored = {**entry(), **fields}
    return safetensors({name: {key: value for key, value in stored.items() if value is not None}}, bytes(128))


# --- GGUF

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return u64(len(value)) + value


def kv(key, kind, value):
    return text(key) + u32(kind) + value


def array(kind, *elements, count=None):
    return u32(kind) + u64(len(elements) if count is None else count) + b"".join(elements)


ARCH = kv("general.architecture", STRING, text("llama"))


def record(name="a.weight", dims=(32, 1), kind=0, offset=0, rank=None):
    """A tensor's record; dimensions innermost first, as stored."""
    stored = b"".join(u64(dim) for dim in dims)
    return text(name) + u32(len(dims) if rank is None else rank) + stored + u32(kind) + u64(offset)


def gguf(keys=(ARCH,), tensors=None, data=bytes(128), magic=b"GGUF", version=u32(3), key_count=None, tensor_count=None):
    tensors = [record()] if tensors is None else tensors
    head = magic + version
    head += u64(len(tensors) if tensor_count is None else tensor_count)
    head += u64(len(keys) if key_count is None else key_count)
    head += b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % 32) + data


# --- importance matrices


def imatrix_entry(name=b"a.weight", values=(1.0,) * 32, calls=1, name_length=None, count=None):
    length = len(name) if name_length is None else name_length
    return i32(length) + name + i32(calls) + i32(len(values) if count is None else count) + f32(*values)


def imatrix(*entries, count=None, tail=i32(3) + i32(8) + b"text.txt"):
    return i32(len(entries) if count is None else count) + b"".join(entries) + tail


IMATRIX_KEYS = (
    kv("general.type", STRING, text("imatrix")),
    kv("imatrix.datasets", ARRAY, array(STRING, text("text.txt"))),
    kv("imatrix.chunk_count", U32, u32(3)),
    kv("imatrix.chunk_size", U32, u32(512)),
)


def imatrix_gguf(sums=(1.0,) * 32, counts=(2.0,), name="a.weight", keys=IMATRIX_KEYS, only=None):
    """One entry; `only` leaves one of its two tensors."""
    both = {"in_sum2": sums, "counts": counts}
    tensors, data = [], b""
    for kind, values in both.items():
        if only not in (None, kind):
            continue
        tensors.append(record(f"{name}.{kind}", (len(values),), 0, len(data)))
        data += f32(*values) + bytes(-4 * len(values) % 32)
    return gguf(keys, tensors, data)


# --- protocol buffers, as tokenizer.model has them


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, wire, payload):
    return varint(number << 3 | wire) + (varint(len(payload)) + payload if wire == 2 else payload)


def piece(content, score=0.0, kind=None):
    message = field(1, 2, content.encode() if isinstance(content, str) else content) + field(2, 5, f32(score))
    return field(1, 2, message + (field(3, 0, varint(kind)) if kind is not None else b""))
