"""What the stories of tests/e2e share."""
import random


class Failed(Exception):
    pass


def expect(true, what):
    if not true:
        raise Failed(what)


def image(version, size_bytes, changes):
    """The same noise in each version, some of it changed."""
    blob = bytearray(random.Random(7).randbytes(size_bytes))
    places = random.Random(version)
    for _ in range(changes):
        at = places.randrange(100, size_bytes - 100)
        blob[at:at + 50] = places.randbytes(50)
    return bytes(blob)
