"""The residual coder's decoding half, slow and small, after docs/formats/residual.md: for reference_apply.py."""

LOGISTIC = (22, 36, 60, 98, 162, 267, 439, 721, 1179, 1921, 3108, 4972, 7811, 11936, 17625, 24743, 32768, 40793, 47911,
            53600, 57725, 60564, 62428, 63615, 64357, 64815, 65097, 65269, 65374, 65438, 65476, 65500, 65514)
M32 = 0xffffffff


def _tables():
    squash = []
    for i in range(4096):
        at = max(i, 1)
        knot, part = at >> 7, at & 127
        squash.append((LOGISTIC[knot] * (128 - part) + LOGISTIC[knot + 1] * part + 64) >> 7)
    stretch = []
    for x in range(-2047, 2048):
        while len(stretch) <= squash[x + 2048] >> 4:
            stretch.append(x)
    return squash, stretch + [2047] * (4096 - len(stretch))


SQUASH, STRETCH = _tables()
TRUST = (0, 10, 14, 16, 18, 19, 20, 20)
RATE = (512, 341, 256, 205, 171, 146, 128, 102, 85, 73, 64, 57, 51, 46, 43, 39, 37, 34, 32)
FIRST_WEIGHT = (1 << 16) // 8


def clamp(x):
    return max(-2047, min(2047, x))


def hash_of(a, b):
    h = ((a * 0x9E3779B1) ^ (((b + 0x7F4A7C15) & M32) * 0x85EBCA6B)) & M32
    h ^= h >> 15
    h = h * 0x2C1B3C6D & M32
    return h ^ h >> 13


def signed(x):
    x &= M32
    return x - (1 << 32) if x >> 31 else x


class RangeDecoder:
    def __init__(self, coded):
        self.coded, self.used, self.range, self.code = coded, 0, M32, 0
        for _ in range(4):
            self.code = self.code << 8 | self.byte()

    def byte(self):
        self.used += 1
        return self.coded[self.used - 1] if self.used <= len(self.coded) else 0

    def bit(self, probability):
        bound = (self.range >> 16) * probability
        if self.code < bound:
            self.range, bit = bound, 1
        else:
            self.code, self.range, bit = self.code - bound, self.range - bound, 0
        while self.range < 1 << 24:
            self.range, self.code = self.range << 8 & M32, (self.code << 8 | self.byte()) & M32
        return bit


class Decoder(RangeDecoder):
    def __init__(self, coded):
        super().__init__(coded)
        self.slots = {}  # index: [probability, count, check]
        self.weights = {}
        self.tables = [{} for _ in range(5)]
        self.kind_history, self.hit_history, self.quick = [0] * 15, [0] * 15, {}
        self.has_words = False
        self.history = self.run = self.last_word = self.last_bytes = self.phase = self.bias = 0

    def set_of(self, name, number, inputs):
        return self.weights.setdefault((name, number), [FIRST_WEIGHT] * inputs)

    def ask(self, contexts, first, second):
        """One decision. Each context is 0 (no say) or a hash."""
        inputs, slots = [], []
        for context in contexts:
            x = linear = 0
            if context:
                slot = self.slots.setdefault(context >> 15, [0, 0, 0])
                known = slot[2] == context & 255 and slot[1] != 0
                if known:
                    trust = TRUST[min(slot[1], 7)]
                    x, linear = (STRETCH[slot[0] >> 4] * trust) >> 4, ((slot[0] - 32768) * trust) >> 8
                slots.append((slot, context & 255, known))
            inputs += [x, linear]
        inputs.append(256)
        x1 = clamp(sum(i * w for i, w in zip(inputs, first)) >> 16)
        x2 = clamp(sum(i * w for i, w in zip(inputs, second)) >> 16)
        probability = SQUASH[((x1 + x2) >> 1) + 2048]
        bit = self.bit(probability)
        for weights, x in ((first, x1), (second, x2)):
            error = ((bit << 16) - SQUASH[x + 2048]) * 7
            for i, value in enumerate(inputs):
                weights[i] = signed(weights[i] + ((value * error + (1 << 17)) >> 18))
        surprise = 65536 - probability if bit else probability
        for slot, check, known in slots:
            if known:
                after = slot[0] + ((((65535 if bit else 0) - slot[0]) * RATE[slot[1]]) >> 10)
                slot[0] = max(16, min(65520, after))
                slot[1] = min(slot[1] + 1, 18)
            elif surprise > 2000:
                if slot[1] > 4:
                    slot[1] -= 4
                else:
                    slot[:] = [49152 if bit else 16384, 1, check]
        return bit

    def start_op(self, address):
        node = 1
        for _ in range(2):
            weights = self.set_of("bias", 0, 3)
            node = node << 1 | self.ask([hash_of(node, 400) | 1], weights, weights)
        self.has_words = True
        self.bias = (self.bias + node) & 3
        self.phase = (address + self.bias) & 3

    def literals(self, count):
        out = bytearray()
        for _ in range(count):
            out.append(self.literal(0))
            self.phase = (self.phase + 1) & 3 if self.has_words else self.phase
        return bytes(out)

    def predicted(self, predicted):
        out, i = bytearray(), 0
        while i < len(predicted):
            if self.phase == 0 and len(predicted) - i >= 4:
                out += self.word(int.from_bytes(predicted[i:i + 4], "little")).to_bytes(4, "little")
                i += 4
            else:
                out.append(self.near(predicted[i]))
                self.phase = (self.phase + 1) & 3
                i += 1
        return bytes(out)

    def near(self, predicted):
        contexts = [hash_of(self.history & 255, 300) | 1, hash_of(predicted, 301) | 1,
                    hash_of(min(self.run, 20), 302) | 1]
        weights = self.set_of("near", 0, 7)
        equal = self.ask(contexts, weights, weights)
        self.history = (self.history << 1 | 1 - equal) & M32
        self.run = self.run + 1 if equal else 0
        if not equal:
            return self.literal(1)
        self.last_bytes = (self.last_bytes << 8 | predicted) & M32
        return predicted

    def literal(self, flavour):
        h, place = self.last_bytes, flavour * 4 + self.phase
        f, p = flavour * 100, place * 100
        hashes = [hash_of(place, 310), hash_of(h & 0xff, 311 + p), hash_of(h & 0xffff, 312 + p),
                  hash_of(h & 0xffffff, 313 + f), hash_of(h, 314 + f), hash_of(h >> 24 << 8 | h & 0xff, 315 + p),
                  hash_of(h >> 24, 316 + p)]
        node = 1
        for _ in range(8):
            spread = node * 0x9E3779B1 & M32
            contexts = [(x ^ spread) | 1 for x in hashes]
            node = node << 1 | self.ask(contexts, self.set_of("place", place, 15), self.set_of("bits", node, 15))
        self.last_bytes = (self.last_bytes << 8 | node & 255) & M32
        return node & 255

    def word(self, old):
        kind = kind_of(old)
        quick = self.quickly(old, kind)
        if quick == 1:
            return old
        immediate_kind = 3 <= kind <= 12
        mask = 0xffff if immediate_kind else M32
        if immediate_kind:
            immediate, space = old & 0xffff, space_of(kind)
            keys = [hash_of(old, 1), hash_of(immediate | space, 10), hash_of(kind, 3),
                    hash_of(immediate >> 5 | space, 12), hash_of(immediate >> 9 | kind << 16, 13)]
        else:
            keys = [hash_of(old, 1), hash_of(old >> 4, 2), hash_of(kind, 3), hash_of(old >> 8, 4),
                    hash_of(old >> 12, 5)]
        candidates = []  # [check, confidence, delta]
        for key, table in zip(keys, self.tables):
            candidate = table.setdefault(key >> 22, [0, 0, 0])
            if candidate[0] != key & 0xffff:
                candidate[:] = [key & 0xffff, 0, 0]
            candidates.append(candidate)
        expected = [old] + [old & ~mask & M32 | (old + c[2]) & mask for c in candidates]
        confidence = [1] + [c[1] for c in candidates]
        new = old
        if quick == 0 or not self.is_equal(old, kind, keys, expected, confidence):
            new = self.guessed(old, kind, keys, expected, confidence)
            if new is None:
                new = self.changed(old, kind, mask, keys, expected, confidence)
        self.note(old, new, kind, mask, candidates)
        return new

    def run_class(self):
        return next((i for i, end in enumerate((1, 2, 3, 4, 8, 16, 32, 256, 2048)) if self.run < end), 9)

    def quickly(self, old, kind):
        """The short way: 1 equal, 0 changed, None not taken."""
        if self.run < 4:
            return None
        place = kind, self.run_class()
        chance = self.quick.setdefault(place, (1 << 22) - (1 << 13))
        second = hash_of(old & 0xffff | space_of(kind), 10) if 3 <= kind <= 12 else hash_of(old >> 4, 2)
        for table, key in ((self.tables[0], hash_of(old, 1)), (self.tables[1], second)):
            check, confidence, delta = table.get(key >> 22, (0, 0, 0))
            if check == key & 0xffff and confidence and delta:
                return None
        if chance < (1 << 22) - (1 << 16):
            return None
        if not self.bit(min(chance >> 6, 65535)):
            self.quick[place] -= chance >> 7
            return 0
        self.quick[place] += (1 << 22) - chance >> 7
        self.run += 1
        self.history = self.history << 1 & M32
        self.kind_history[kind] = self.kind_history[kind] << 1 & M32
        self.last_word = old
        self.last_bytes = int.from_bytes(old.to_bytes(4, "little"), "big")
        return 1

    def guessed(self, old, kind, keys, expected, confidence):
        """What a table expects of a changed word, or None. Tables that were wrong lose their confidence."""
        for guess in range(2):
            says = [i for i in range(1, 6) if confidence[i] and expected[i] != old]
            if not says:
                return None
            best = max(says, key=lambda i: (confidence[i], -i))
            sure, who, word = confidence[best], best * 2 + guess, expected[best]
            votes = sum(1 << i - 1 for i in range(1, 6) if confidence[i] and expected[i] == word)
            contexts = [hash_of(who * 16 + sure, 500 + kind * 1000), hash_of(votes * 16 + sure, 501 + who * 1000),
                        hash_of(kind * 16 + (self.hit_history[kind] & 15), 502 + who * 1000),
                        hash_of(keys[1], 503 + who), hash_of(keys[3], 520 + who),
                        hash_of(word - old & M32, 540 + kind * 1000), hash_of(keys[4], 560 + who)]
            right = self.ask([c | 1 for c in contexts], self.set_of("expected", who * 8 + min(sure, 7), 15),
                             self.set_of("expected votes", votes, 15))
            self.hit_history[kind] = (self.hit_history[kind] << 1 | 1 - right) & M32
            if right:
                return word
            for i in range(1, 6):
                if expected[i] == word:
                    confidence[i] = 0
        return None

    def is_equal(self, old, kind, keys, expected, confidence):
        votes = 0
        for e, c in list(zip(expected, confidence))[1:]:
            votes = votes * 3 + (0 if c == 0 else 1 if e == old else 2)
        run_class = self.run_class()
        sure = min(confidence[1], 7) + min(confidence[2], 7) * 8 + min(confidence[3], 7) * 64
        contexts = [hash_of(old, 100), hash_of(votes * 64 + kind, 101),
                    hash_of(kind * 16 + (self.kind_history[kind] & 15), 102 + run_class * 1000),
                    hash_of(self.history & 255, 103 + kind * 1000), hash_of(old >> 16, 104),
                    hash_of(votes, 105 + sure * 1000), hash_of(keys[1], 106), hash_of(keys[3], 107),
                    hash_of(self.last_word * 31 + old & M32, 108), hash_of(keys[4], 109)]
        return self.ask([c | 1 for c in contexts], self.set_of("equal kind", kind * 10 + run_class, 21),
                        self.set_of("equal votes", votes, 21))

    def changed(self, old, kind, mask, keys, expected, confidence):
        made = 0
        for b in range(4):
            known = (1 << 8 * b) - 1
            delta = made - old & known
            old_byte = old >> 8 * b & 255
            old_before = old >> 8 * (b - 1) & 255 if b else 0
            made_before = made >> 8 * (b - 1) & 255 if b else 0
            hashes = [hash_of(old_byte | b << 8, 200 + kind * 1000), hash_of(keys[2] + b & M32, 201 + delta),
                      hash_of(old_byte | b << 8 | made_before << 16, 202 + old_before * 1000),
                      hash_of(old >> 8 * b, 203 + b + delta * 8 & M32),
                      hash_of(keys[3] + b & M32, 204 + delta * 4 & M32),
                      hash_of(b | kind << 3 | (1024 if delta else 0), 205)]
            trusted = [0 if i and (e == old or (e ^ made) & known) else c
                       for i, (e, c) in enumerate(zip(expected, confidence))]
            flavour = b * 4 + (1 if delta else 0) + (2 if mask == 0xffff else 0)
            node = 1
            for index in range(7, -1, -1):
                spread = node * 0x9E3779B1 & M32
                contexts = [(x ^ spread) | 1 for x in hashes]
                agree = 0
                for i, (e, c) in enumerate(zip(expected, trusted)):
                    e = e >> 8 * b & 255
                    if c == 0 or (e | 256) >> (index + 1) != node:
                        contexts.append(0)
                        continue
                    contexts.append(hash_of(0x1000000 + i * 4096 + c * 32 + flavour * 131072,
                                            (e >> index & 1) + 2 * index) | 1)
                    agree |= 1 << i if i < 3 else 0
                node = node << 1 | self.ask(contexts, self.set_of("votes", agree * 16 + flavour, 25),
                                            self.set_of("byte bits", node & 127, 25))
            made |= (node & 255) << 8 * b
        return made

    def note(self, old, new, kind, mask, candidates):
        changed = 0 if new == old else 1
        if (new ^ old) & ~mask & M32 == 0:
            delta = new - old & mask
            for i, candidate in enumerate(candidates):
                if candidate[1] and candidate[2] == delta:
                    candidate[1] = min(candidate[1] + 1, 15)
                elif candidate[1] > 4 and i != 2:
                    candidate[1] = (candidate[1] + 1) // 2
                else:
                    candidate[1:] = [1, delta]
        self.kind_history[kind] = (self.kind_history[kind] << 1 | changed) & M32
        self.history = (self.history << 1 | changed) & M32
        self.run = 0 if changed else self.run + 1
        self.last_word = old
        self.last_bytes = int.from_bytes(new.to_bytes(4, "little"), "big")

    def ended_well(self):
        return len(self.coded) <= self.used <= len(self.coded) + 4


def space_of(kind):
    return {5: 1, 6: 1, 8: 1, 9: 1, 12: 2, 3: 4, 4: 4}.get(kind, 0) << 16


def kind_of(word):
    opcode, from_gp, to_gp = word >> 26, word >> 21 & 31 == 28, word >> 16 & 31 == 28
    if opcode == 0:
        return 0 if word >> 16 == 0 else 1
    if opcode in (2, 3):
        return 2
    if opcode == 15:
        return 3 if to_gp else 4
    if opcode == 9:
        return 7 if not from_gp else 5 if to_gp else 6
    if opcode == 63:
        return 13
    if opcode >= 32:
        if from_gp:
            return 8 if opcode == 35 else 9
        return 10 if opcode >= 40 else 11
    return 12 if opcode == 1 or 4 <= opcode <= 7 or 20 <= opcode <= 23 else 14
