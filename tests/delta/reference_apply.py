#!/usr/bin/env python3
"""A second applier, slow and small, written from docs/formats/payload.md alone.

usage: reference_apply.py PAYLOAD BASE|- OUT          applies one payload
       reference_apply.py --pairs FOLDER              FOLDER/N.base, N.payload, N.target: applies and compares all

Exit 0 when every image came out right. zstd frames are decoded by the system's libzstd.
"""
import ctypes, hashlib, os, struct, sys

ZSTD = ctypes.CDLL("libzstd.so.1")
ZSTD.ZSTD_decompress.restype = ctypes.c_size_t
ZSTD.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]


def need(holds, what):
    if not holds:
        raise ValueError(what)


def read_chunks(data):
    magic, version, log2, zero, body_length = struct.unpack_from("<4sBBHQ", data)
    need((magic, version, log2, zero) == (b"TCHL", 1, 15, 0), "chunk list")
    size = 1 << log2
    count = -(-body_length // size)
    start = 16 + 32 * count
    body = data[start:]
    need(len(body) == body_length, "length of the body")
    for i in range(count):
        want = data[16 + 32 * i:48 + 32 * i]
        need(hashlib.sha256(body[i * size:(i + 1) * size]).digest() == want, f"hash of chunk {i}")
    return body


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            need(byte != 0 or shift == 7, "varint is not the shortest")
            return value, at


def decode(codec, coded, plain_bytes):
    if codec == 0:
        need(len(coded) == plain_bytes, "stored length")
        return coded
    need(codec == 1, "codec")
    out = ctypes.create_string_buffer(max(plain_bytes, 1))
    got = ZSTD.ZSTD_decompress(out, plain_bytes, coded, len(coded))
    need(got == plain_bytes, "zstd content")
    return out.raw[:plain_bytes]


def play(base, op_count, control, diff, literal):
    at = position = diff_at = literal_at = 0
    made = bytearray()
    for _ in range(op_count):
        word, at = varint(control, at)
        length, kind = word >> 2, word & 3
        need(length > 0 and kind < 3, "op")
        if kind == 2:
            made += literal[literal_at:literal_at + length]
            literal_at += length
            continue
        zigzag, at = varint(control, at)
        position += (zigzag >> 1) ^ -(zigzag & 1)
        need(0 <= position and position + length <= len(base), "op outside the base")
        piece = base[position:position + length]
        if kind == 1:
            piece = bytes((a + b) & 255 for a, b in zip(piece, diff[diff_at:diff_at + length]))
            diff_at += length
        made += piece
        position += length
    need((at, diff_at, literal_at) == (len(control), len(diff), len(literal)), "streams not used up")
    return made


def apply(payload, base):
    body = read_chunks(payload)
    magic, version, minor, header_bytes, kind = struct.unpack_from("<8sHHIB", body)
    need((magic, version, minor, header_bytes) == (b"TILLPYLD", 1, 1, 192), "header")
    frame_count, = struct.unpack_from("<I", body, 24)
    base_size, base_hash, target_size, target_hash = struct.unpack_from("<Q32sQ32s", body, 40)
    op_total, frames_bytes = struct.unpack_from("<QQ", body, 120)
    need(len(body) == 192 + frames_bytes, "length of all frames")
    if kind == 2:
        need(len(base) == base_size and hashlib.sha256(base).digest() == base_hash, "base")
    target, at, ops = bytearray(), 192, 0
    for index in range(frame_count):
        magic, kind, *codecs, number, op_count, offset, made_bytes = struct.unpack_from("<4sB3BIIQQ", body, at)
        lengths = struct.unpack_from("<6I", body, at + 32)
        need((magic, kind, number, offset) == (b"TFRM", 1, index, len(target)), f"frame {index}")
        at += 56
        streams = []
        for i, codec in enumerate(codecs):
            coded, plain = lengths[2 * i:2 * i + 2]
            streams.append(decode(codec, body[at:at + coded], plain))
            at += coded
        made = play(base, op_count, *streams)
        need(len(made) == made_bytes, "frame length")
        target += made
        ops += op_count
    need(at == len(body) and ops == op_total and len(target) == target_size, "totals")
    need(hashlib.sha256(target).digest() == target_hash, "target hash")
    return bytes(target)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    if len(sys.argv) == 3 and sys.argv[1] == "--pairs":
        stems = sorted(os.path.join(sys.argv[2], n[:-8]) for n in os.listdir(sys.argv[2]) if n.endswith(".payload"))
        need(stems, "no pairs")
        for stem in stems:
            need(apply(read(stem + ".payload"), read(stem + ".base")) == read(stem + ".target"), f"{stem} differs")
        print(f"{len(stems)} payloads, all alike")
        return
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    base = b"" if sys.argv[2] == "-" else read(sys.argv[2])
    with open(sys.argv[3], "wb") as out:
        out.write(apply(read(sys.argv[1]), base))


try:
    main()
except (ValueError, IndexError, struct.error) as error:
    sys.exit(f"refused: {error}")
