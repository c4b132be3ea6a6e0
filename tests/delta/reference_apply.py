#!/usr/bin/env python3
"""A second applier, slow and small, written from docs/formats/payload.md alone.

usage: reference_apply.py PAYLOAD BASE|- OUT          applies one payload
       reference_apply.py --pairs FOLDER              FOLDER/N.base, N.payload, N.target: applies and compares all
       reference_apply.py --goldens FOLDER            applies FOLDER/v1-*.bin to v1-base.bin, v2-*.bin to v2-base.bin

Exit 0 when every image came out right. The parts: reference_codecs.py, reference_residual.py, reference_mips.py.
"""
import hashlib, os, struct, sys

from reference_codecs import make_block, need, open_block, stream
from reference_mips import predict, read_map
from reference_residual import Decoder


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


class Control:
    def __init__(self, data):
        self.data, self.at = data, 0

    def varint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                need(byte != 0 or shift == 7, "varint is not the shortest")
                return value

    def signed(self):
        zigzag = self.varint()
        return (zigzag >> 1) ^ -(zigzag & 1)

    def take(self, count):
        need(self.at + count <= len(self.data), "control stream ends early")
        self.at += count
        return self.data[self.at - count:self.at]


class Content:
    """The bytes of diff and literal stream, in op order."""

    def __init__(self, codecs, coded, plain, windows):
        self.model = Decoder(coded[1]) if codecs[1] == 3 and coded[1] else None
        if self.model:
            need(codecs[2] == 3 and not coded[2], "half a model stream")
            self.left = plain[1] + plain[2]
        else:
            self.diff, self.literal = (stream(codecs[i], coded[i], plain[i], windows[i]) for i in (1, 2))

    def corrected(self, address, predicted):
        if self.model:
            self.left -= len(predicted)
            self.model.start_op(address)
            return self.model.predicted(predicted)
        diff, self.diff = self.diff[:len(predicted)], self.diff[len(predicted):]
        need(len(diff) == len(predicted), "diff stream ends early")
        return bytes((a + b) & 255 for a, b in zip(predicted, diff))

    def literals(self, count):
        if self.model:
            self.left -= count
            return self.model.literals(count)
        made, self.literal = self.literal[:count], self.literal[count:]
        need(len(made) == count, "literal stream ends early")
        return made

    def used_up(self):
        return self.left == 0 and self.model.ended_well() if self.model else not self.diff and not self.literal


class Header:
    def __init__(self, body):
        magic, version, self.minor, length, self.kind = struct.unpack_from("<8sHHIB", body)
        need((magic, version, length) == (b"TILLPYLD", 1, 192) and self.minor in (1, 2), "header")
        self.windows = body[17:20] if self.minor == 2 else body[17:18] * 3
        self.frame_count, = struct.unpack_from("<I", body, 24)
        self.base_size, self.base_hash, self.target_size, self.target_hash = struct.unpack_from("<Q32sQ32s", body, 40)
        self.ops, frames_bytes, self.map_coded, self.map_plain = struct.unpack_from("<QQII", body, 120)
        need(len(body) == 192 + frames_bytes, "length of all frames")
        self.map_codec, count = body[151] >> 4, body[150]
        self.recodes = [body[152 + 8 * i:160 + 8 * i] for i in range(count)]
        self.block_plain, = struct.unpack_from("<I", body, 184)
        window = max(self.map_plain - 1, 4095).bit_length()
        self.map = read_map(stream(self.map_codec, body[192:192 + self.map_coded], self.map_plain, window))


def read_segments(control, header, base):
    """The plain bytes of the frame's segments, one after the other."""
    opened, end = b"", 0
    for _ in range(control.varint()):
        offset = end + control.signed()
        coded = control.varint()
        word = control.varint()
        plain = header.block_plain if word & 1 else control.varint()
        end = offset + coded
        need(0 <= offset and end <= len(base) and 0 < plain <= header.block_plain, "segment")
        opened += open_block(header.recodes[word >> 1], base[offset:end], plain)
    return opened


def add_fixes(control, block):
    at = 0
    for _ in range(control.varint()):
        at += control.varint()
        count = control.varint()
        need(count > 0 and at + count <= len(block), "a fix outside its block")
        block[at:at + count] = control.take(count)
        at += count


def play(header, base, op_count, control, content):
    opened = read_segments(control, header, base) if header.minor == 2 else b""
    made, block, position, region, bias = bytearray(), None, 0, None, 0
    for _ in range(op_count):
        word = control.varint()
        length, kind = word >> 2, word & 3
        if kind == 3:
            need(header.minor == 2, "op")
            if length == 1:
                predictor = control.varint()
                need(predictor < 2, "predictor")
                region = None
                if predictor == 1:
                    region, bias = header.map[control.varint()], control.signed()
                continue
            need(length == 0 and block is None, "block")
            recode, plain_bytes, coded_bytes = control.varint(), control.varint(), control.varint()
            block = bytearray()
            continue
        need(length > 0, "op")
        if kind == 2:
            piece = content.literals(length)
        else:
            position += control.signed()
            space, at = (base, position) if position < len(base) else (opened, position - len(base))
            need(0 <= position and at + length <= len(space), "op outside the base")
            piece = space[at:at + length]
            if kind == 1:
                offset = position
                if region:
                    offset = at + bias
                    need(0 <= offset and offset + length <= region.size, "a prediction outside its region")
                    piece = predict(region, offset, piece)
                piece = content.corrected(offset, piece)
            position += length
        if block is None:
            made += piece
            continue
        block += piece
        need(len(block) <= plain_bytes, "op past its block")
        if len(block) == plain_bytes:
            coded = bytearray(make_block(header.recodes[recode], bytes(block)))
            need(len(coded) == coded_bytes, "length of an encoded block")
            add_fixes(control, coded)
            made += coded
            block = None
    need(block is None and control.at == len(control.data) and content.used_up(), "streams not used up")
    return made


def apply(payload, base):
    body = read_chunks(payload)
    header = Header(body)
    if header.kind == 2:
        need(len(base) == header.base_size and hashlib.sha256(base).digest() == header.base_hash, "base")
    target, at, ops = bytearray(), 192 + header.map_coded, 0
    for index in range(header.frame_count):
        magic, kind, *codecs, number, op_count, offset, made_bytes = struct.unpack_from("<4sB3BIIQQ", body, at)
        lengths = struct.unpack_from("<6I", body, at + 32)
        need((magic, kind, number, offset) == (b"TFRM", header.minor, index, len(target)), f"frame {index}")
        at += 56
        coded = []
        for count in lengths[0::2]:
            coded.append(body[at:at + count])
            at += count
        control = Control(stream(codecs[0], coded[0], lengths[1], header.windows[0]))
        made = play(header, base, op_count, control, Content(codecs, coded, lengths[1::2], header.windows))
        need(len(made) == made_bytes, "frame length")
        target += made
        ops += op_count
    need(at == len(body) and ops == header.ops and len(target) == header.target_size, "totals")
    need(hashlib.sha256(target).digest() == header.target_hash, "target hash")
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
    if len(sys.argv) == 3 and sys.argv[1] == "--goldens":
        names = sorted(n for n in os.listdir(sys.argv[2]) if n.endswith(".bin") and not n.endswith("-base.bin"))
        need(names, "no goldens")
        for name in names:
            apply(read(os.path.join(sys.argv[2], name)), read(os.path.join(sys.argv[2], name[:3] + "base.bin")))
        print(f"{len(names)} goldens, all rebuilt")
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
