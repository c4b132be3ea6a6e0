"""Prediction of addresses in MIPS code, slow and small, after docs/formats/mips.md: for reference_apply.py."""
import bisect, struct

M32 = 0xffffffff


class Region:
    def __init__(self, load, size, starts, shifts):
        self.load, self.size, self.starts, self.shifts = load, size, starts, shifts

    def holds(self, address):
        return (address - self.load) & M32 < self.size

    def moved(self, address):
        offset = (address - self.load) & M32
        entry = bisect.bisect_right(self.starts, offset)
        return (self.load + offset + (self.shifts[entry - 1] if entry else 0)) & M32


def read_map(plain):
    regions, at = [], 0
    while at < len(plain):
        load, size, count, zero = struct.unpack_from("<4I", plain, at)
        if zero or not size:
            raise ValueError("map region")
        numbers = struct.unpack_from(f"<{2 * count}I", plain, at + 16)
        regions.append(Region(load, size, numbers[:count], numbers[count:]))
        at += 16 + 8 * count
    return regions


def predict(region, offset, data):
    """What `data`, old bytes of one DIFF op from this offset of the region on, will read as."""
    out, upper = bytearray(data), {}  # upper: register -> (value, offset) a lui left there
    at = -offset % 4
    while at + 4 <= len(out):
        word = int.from_bytes(data[at:at + 4], "little")
        out[at:at + 4] = predict_word(region, offset + at, word, upper).to_bytes(4, "little")
        at += 4
    return bytes(out)


def predict_word(region, at, word, upper):
    if region.holds(word):
        return region.moved(word)
    opcode, rs, rt, rd = word >> 26, word >> 21 & 31, word >> 16 & 31, word >> 11 & 31
    if opcode in (2, 3):
        target = region.load & 0xf0000000 | (word & 0x03ffffff) << 2
        return word & 0xfc000000 | region.moved(target) >> 2 & 0x03ffffff if region.holds(target) else word
    predicted = word
    if opcode == 9 or 32 <= opcode <= 46:
        if rs in upper and at - upper[rs][1] < 256:
            low = word & 0xffff
            address = (upper[rs][0] + low - (low & 0x8000) * 2) & M32
            if region.holds(address):
                predicted = word & 0xffff0000 | region.moved(address) & 0xffff
    if opcode == 15:
        upper[rt] = (word << 16 & M32, at)
    elif opcode == 9 or 32 <= opcode < 40:
        upper.pop(rt, None)
    elif opcode == 0:
        source = upper.get(rs) or upper.get(rt)
        if word & 0x7ff == 0x21 and source:
            upper[rd] = source
        else:
            upper.pop(rd, None)
    return predicted
