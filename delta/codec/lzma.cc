#include "delta/codec/lzma.h"

#include <lzma.h>

#include <algorithm>
#include <new>

namespace till::delta {
namespace {

constexpr size_t kLzmaFileHeaderBytes = 13;
constexpr uint32_t kMinDictionaryBytes = 4096;

Error Corrupt(const char* what) { return Error{ErrorCode::kCorrupt, what, 0}; }

Error Because(lzma_ret answer, const char* what, const Workspace& workspace) {
  const bool memory = answer == LZMA_MEM_ERROR || answer == LZMA_MEMLIMIT_ERROR;
  return memory ? Error{ErrorCode::kLimit, "workspace of an LZMA coder", workspace.used()} : Corrupt(what);
}

void* Allocate(void* workspace, size_t count, size_t size) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) return nullptr;
  return static_cast<Workspace*>(workspace)->Allocate(bytes);
}
void Free(void* /*workspace*/, void* /*memory*/) {}  // the workspace is taken back as a whole

lzma_allocator AllocatorOf(Workspace& workspace) { return {Allocate, Free, &workspace}; }

bool SetOptions(const XzParameters& p, lzma_options_lzma& options) {
  if (lzma_lzma_preset(&options, p.preset | (p.extreme ? LZMA_PRESET_EXTREME : 0))) return false;
  options.lc = p.lc;
  options.lp = p.lp;
  options.pb = p.pb;
  options.dict_size = p.dictionary_bytes();
  return true;
}

lzma_vli FilterId(XzFilter filter) {
  switch (filter) {
    case XzFilter::kX86:
      return LZMA_FILTER_X86;
    case XzFilter::kPowerPc:
      return LZMA_FILTER_POWERPC;
    case XzFilter::kIa64:
      return LZMA_FILTER_IA64;
    case XzFilter::kArm:
      return LZMA_FILTER_ARM;
    case XzFilter::kArmThumb:
      return LZMA_FILTER_ARMTHUMB;
    case XzFilter::kSparc:
      return LZMA_FILTER_SPARC;
    case XzFilter::kNone:
      break;
  }
  return LZMA_VLI_UNKNOWN;
}

uint8_t PropertiesByte(const XzParameters& p) { return static_cast<uint8_t>((p.pb * 5 + p.lp) * 9 + p.lc); }

// A raw LZMA1 stream of known length; `options` must outlive the coder's start only.
struct RawLzma {
  lzma_options_lzma options{};
  lzma_filter filters[2] = {{LZMA_FILTER_LZMA1EXT, nullptr}, {LZMA_VLI_UNKNOWN, nullptr}};

  void SetPlainBytes(uint64_t plain_bytes) {
    options.ext_flags = 0;  // no end marker
    options.ext_size_low = static_cast<uint32_t>(plain_bytes);
    options.ext_size_high = static_cast<uint32_t>(plain_bytes >> 32);
    filters[0].options = &options;
  }
  bool SetProperties(uint8_t properties) {
    if (properties > (4 * 5 + 4) * 9 + 8) return false;
    options.lc = properties % 9;
    options.lp = properties / 9 % 5;
    options.pb = properties / 45;
    return options.lc + options.lp <= LZMA_LCLP_MAX;
  }
};

}  // namespace

Result<size_t> XzDecode(ByteView coded, MutableByteView plain, Workspace& workspace) {
  const lzma_allocator allocator = AllocatorOf(workspace);
  uint64_t memory_limit = UINT64_MAX;  // the allocator is the limit
  size_t used = 0;
  size_t made = 0;
  const lzma_ret answer = lzma_stream_buffer_decode(&memory_limit, 0, &allocator, Octets(coded), &used, coded.size(),
                                                    Octets(plain), &made, plain.size());
  if (answer != LZMA_OK) return Because(answer, "not an xz block", workspace);
  if (used != coded.size()) return Corrupt("bytes behind an xz block");
  return made;
}

Result<size_t> XzEncode(const XzParameters& p, ByteView plain, MutableByteView coded, Workspace& workspace) {
  const lzma_allocator allocator = AllocatorOf(workspace);
  lzma_options_lzma options;
  if (!SetOptions(p, options)) return Corrupt("parameter of a recode");
  lzma_filter filters[3] = {{FilterId(p.filter), nullptr}, {LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  lzma_filter* const chain = p.filter == XzFilter::kNone ? filters + 1 : filters;
  size_t used = 0;
  const lzma_ret answer = lzma_stream_buffer_encode(chain, LZMA_CHECK_CRC32, &allocator, Octets(plain), plain.size(),
                                                    Octets(coded), &used, coded.size());
  if (answer == LZMA_BUF_ERROR) return Error{ErrorCode::kLimit, "room for a coded block", coded.size()};
  if (answer != LZMA_OK) return Because(answer, "xz encoder", workspace);
  return used;
}

Result<size_t> LzmaFileDecode(ByteView coded, MutableByteView plain, Workspace& workspace) {
  ByteReader reader(coded);
  RawLzma raw;
  const uint8_t properties = TILL_TRY(reader.U8());
  raw.options.dict_size = std::max(TILL_TRY(reader.U32()), kMinDictionaryBytes);
  const uint64_t plain_bytes = TILL_TRY(reader.U64());
  if (!raw.SetProperties(properties)) return Corrupt("not an .lzma file");
  if (plain_bytes > plain.size()) return Error{ErrorCode::kLimit, "plain length of an .lzma file", plain.size()};
  raw.SetPlainBytes(plain_bytes);
  const lzma_allocator allocator = AllocatorOf(workspace);
  size_t used = kLzmaFileHeaderBytes;
  size_t made = 0;
  const lzma_ret answer = lzma_raw_buffer_decode(raw.filters, &allocator, Octets(coded), &used, coded.size(),
                                                 Octets(plain), &made, plain_bytes);
  if (answer != LZMA_OK) return Because(answer, "not an .lzma file", workspace);
  if (used != coded.size() || made != plain_bytes) return Corrupt("length of an .lzma file");
  return made;
}

Result<size_t> LzmaFileEncode(const XzParameters& p, ByteView plain, MutableByteView coded, Workspace& workspace) {
  RawLzma raw;
  if (!SetOptions(p, raw.options)) return Corrupt("parameter of a recode");
  raw.SetPlainBytes(plain.size());
  coded[0] = std::byte{PropertiesByte(p)};
  for (size_t i = 0; i < 4; ++i) coded[1 + i] = static_cast<std::byte>(raw.options.dict_size >> 8 * i);
  for (size_t i = 0; i < 8; ++i) coded[5 + i] = static_cast<std::byte>(uint64_t{plain.size()} >> 8 * i);
  const lzma_allocator allocator = AllocatorOf(workspace);
  size_t used = kLzmaFileHeaderBytes;
  const lzma_ret answer =
      lzma_raw_buffer_encode(raw.filters, &allocator, Octets(plain), plain.size(), Octets(coded), &used, coded.size());
  if (answer == LZMA_BUF_ERROR) return Error{ErrorCode::kLimit, "room for a coded block", coded.size()};
  if (answer != LZMA_OK) return Because(answer, "LZMA encoder", workspace);
  return used;
}

struct LzmaInput::State {
  explicit State(MutableByteView memory) : workspace(memory) {}
  Workspace workspace;
  lzma_allocator allocator{};
  lzma_stream stream = LZMA_STREAM_INIT;
  uint64_t plain_left = 0;
  bool ended = false;
};

Status LzmaInput::Begin(ByteView coded, uint64_t plain_bytes, unsigned window_log, MutableByteView memory) {
  state_ = nullptr;
  Workspace front(memory);
  void* const place = front.Allocate(sizeof(State));
  if (place == nullptr) return Error{ErrorCode::kLimit, "workspace of an LZMA coder", memory.size()};
  auto* const state = new (place) State(memory.subspan(front.used()));
  if (coded.size() < 2) return Corrupt("an LZMA stream without bytes");
  RawLzma raw;
  if (!raw.SetProperties(static_cast<uint8_t>(coded[0]))) return Corrupt("properties of an LZMA stream");
  raw.options.dict_size = uint32_t{1} << window_log;
  raw.SetPlainBytes(plain_bytes);
  state->allocator = AllocatorOf(state->workspace);
  state->stream.allocator = &state->allocator;
  state->plain_left = plain_bytes;
  const lzma_ret answer = lzma_raw_decoder(&state->stream, raw.filters);
  if (answer != LZMA_OK) return Because(answer, "LZMA decoder", state->workspace);
  state->stream.next_in = Octets(coded.subspan(1));
  state->stream.avail_in = coded.size() - 1;
  state_ = state;
  return Ok();
}

Status LzmaInput::Read(MutableByteView out) {
  if (state_ == nullptr || out.size() > state_->plain_left) return Corrupt("an LZMA stream ends early");
  lzma_stream& stream = state_->stream;
  stream.next_out = Octets(out);
  stream.avail_out = out.size();
  while (stream.avail_out > 0 && !state_->ended) {
    const lzma_ret answer = lzma_code(&stream, LZMA_RUN);
    state_->ended = answer == LZMA_STREAM_END;
    if (answer != LZMA_OK && !state_->ended) return Corrupt("content of an LZMA stream");
  }
  if (stream.avail_out > 0) return Corrupt("an LZMA stream ends early");
  state_->plain_left -= out.size();
  return Ok();
}

Status LzmaInput::Finish() {
  if (state_ == nullptr || state_->plain_left != 0) return Corrupt("an LZMA stream with bytes left over");
  if (!state_->ended) {
    state_->stream.avail_out = 0;
    state_->ended = lzma_code(&state_->stream, LZMA_RUN) == LZMA_STREAM_END;
  }
  if (!state_->ended || state_->stream.avail_in != 0) return Corrupt("an LZMA stream with bytes left over");
  return Ok();
}

}  // namespace till::delta
