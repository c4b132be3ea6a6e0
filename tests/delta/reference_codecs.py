"""The codecs of a payload through the system's own libraries (Debian 12 has the versions the format names)."""
import ctypes, lzma, zlib

from reference_residual import Decoder

size_t, voidp = ctypes.c_size_t, ctypes.c_void_p
LZMA = ctypes.CDLL("liblzma.so.5")
ZSTD = ctypes.CDLL("libzstd.so.1")
LZ4 = ctypes.CDLL("liblz4.so.1")
ZSTD.ZSTD_compress.restype = ZSTD.ZSTD_decompress.restype = size_t
ZSTD.ZSTD_decompress.argtypes = [voidp, size_t, ctypes.c_char_p, size_t]
ZSTD.ZSTD_compress.argtypes = [voidp, size_t, ctypes.c_char_p, size_t, ctypes.c_int]


def need(holds, what):
    if not holds:
        raise ValueError(what)


def properties(byte):
    return {"lc": byte % 9, "lp": byte // 9 % 5, "pb": byte // 45}


def raw_lzma(coded, plain_bytes, dictionary):
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[
        {"id": lzma.FILTER_LZMA1, "dict_size": dictionary, **properties(coded[0])}])
    return decoder.decompress(coded[1:], max_length=plain_bytes)


def zstd(coded, plain_bytes):
    out = ctypes.create_string_buffer(max(plain_bytes, 1))
    need(ZSTD.ZSTD_decompress(out, plain_bytes, coded, len(coded)) == plain_bytes, "zstd content")
    return out.raw[:plain_bytes]


def stream(codec, coded, plain_bytes, window_log):
    """A whole stream of codec 0 to 2, or 3 where nothing is predicted."""
    if plain_bytes == 0 and not coded:
        return b""
    if codec == 0:
        plain = coded
    elif codec == 1:
        plain = zstd(coded, plain_bytes)
    elif codec == 2:
        plain = raw_lzma(coded, plain_bytes, 1 << window_log)
    else:
        need(codec == 3, "codec")
        decoder = Decoder(coded)
        plain = decoder.literals(plain_bytes)
        need(decoder.ended_well(), "end of a model stream")
    need(len(plain) == plain_bytes, "length of a stream")
    return plain


def open_block(recode, coded, plain_bytes):
    codec, p = recode[0], recode[1:]
    if codec == 1:
        plain = lzma.decompress(coded, lzma.FORMAT_XZ)
    elif codec == 2:
        plain = zlib.decompress(coded, -15 if p[3] else 15)
    elif codec == 3:
        plain = zstd(coded, plain_bytes)
    elif codec == 4:
        out = ctypes.create_string_buffer(plain_bytes)
        need(LZ4.LZ4_decompress_safe(coded, out, len(coded), plain_bytes) == plain_bytes, "lz4 block")
        plain = out.raw
    else:
        need(codec == 5, "recode")
        plain = raw_lzma(coded[:1] + coded[13:], plain_bytes, int.from_bytes(coded[1:5], "little"))
    need(len(plain) == plain_bytes, "plain length of a segment")
    return plain


def lzma_options(p):
    options = ctypes.create_string_buffer(512)
    need(LZMA.lzma_lzma_preset(options, ctypes.c_uint32(p[0] | (1 << 31 if p[1] else 0))) == 0, "preset")
    size = 1 << (p[5] & 127)
    size += size // 2 if p[5] & 128 else 0
    for offset, value in ((0, size), (20, p[2]), (24, p[3]), (28, p[4])):  # dict_size, lc, lp, pb
        ctypes.c_uint32.from_buffer(options, offset).value = value
    return options, size


def filters(*chain):
    array = (ctypes.c_uint64 * (2 * len(chain) + 2))()
    for i, (name, options) in enumerate(chain):
        array[2 * i], array[2 * i + 1] = name, ctypes.addressof(options) if options else 0
    array[2 * len(chain)] = 2 ** 64 - 1
    return array


def make_block(recode, plain):
    codec, p = recode[0], recode[1:]
    bound = len(plain) + len(plain) // 128 + 1024
    out, used = ctypes.create_string_buffer(bound), size_t(0)
    if codec == 1:
        options, _ = lzma_options(p)
        chain = ([(3 + p[6], None)] if p[6] else []) + [(0x21, options)]
        answer = LZMA.lzma_stream_buffer_encode(filters(*chain), 1, None, plain, size_t(len(plain)), out,
                                                ctypes.byref(used), size_t(bound))
        need(answer == 0, "xz encoder")
        return out.raw[:used.value]
    if codec == 2:
        encoder = zlib.compressobj(p[0], zlib.DEFLATED, -p[1] if p[3] else p[1], p[4], p[2])
        return encoder.compress(plain) + encoder.flush()
    if codec == 3:
        count = ZSTD.ZSTD_compress(out, bound, plain, len(plain), p[0])
        return out.raw[:count]
    if codec == 4:
        count = (LZ4.LZ4_compress_HC(plain, out, len(plain), bound, 12) if p[0] else
                 LZ4.LZ4_compress_default(plain, out, len(plain), bound))
        return out.raw[:count]
    options, size = lzma_options(p)
    for offset, value in ((48, 0), (52, len(plain)), (56, 0)):  # no end marker; the length, low and high
        ctypes.c_uint32.from_buffer(options, offset).value = value
    answer = LZMA.lzma_raw_buffer_encode(filters((0x4000000000000002, options)), None, plain, size_t(len(plain)), out,
                                         ctypes.byref(used), size_t(bound))
    need(answer == 0, "lzma encoder")
    head = bytes([(p[4] * 5 + p[3]) * 9 + p[2]]) + size.to_bytes(4, "little") + len(plain).to_bytes(8, "little")
    return head + out.raw[:used.value]
