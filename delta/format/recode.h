// A recode: one pinned encoder with its parameters, as a payload's header lists them (8 bytes each). Segments of the
// base are opened with it, blocks of the target are made with it. What each one calls exactly: delta/codec/recode.h.
//   parameters, by codec (unused ones are zero)
//     xz     preset 0-9, extreme 0/1, lc, lp, pb, dictionary, filter
//     zlib   level 1-9, window bits 9-15, strategy 0-4, wrapper (0 zlib, 1 raw deflate), memory level 1-9
//     zstd   level 1-22
//     lz4    1: the high-compression encoder at its highest level
//     lzma   preset 0-9, extreme 0/1, lc, lp, pb, dictionary
//   A dictionary is 2^(low 7 bits) bytes, one and a half times as much when bit 7 is set: 4 KiB to 1 MiB.
//   Errors: kCorrupt (a parameter out of range), kUnsupported (detail: the codec's number).
#pragma once

#include <array>

#include "core/bytes.h"

namespace till::delta {

inline constexpr uint64_t kRecodeBytes = 8;
inline constexpr size_t kMaxRecodes = 4;
inline constexpr uint64_t kMaxBlockPlainBytes = 1 << 20;

enum class RecodeCodec : uint8_t { kNone = 0, kXz = 1, kZlib = 2, kZstd = 3, kLz4 = 4, kLzma = 5 };

// As squashfs numbers them from 1 on; 0: none.
enum class XzFilter : uint8_t { kNone = 0, kX86, kPowerPc, kIa64, kArm, kArmThumb, kSparc };

struct XzParameters {  // also of kLzma, without the filter
  uint8_t preset = 6;
  bool extreme = false;
  uint8_t lc = 3;
  uint8_t lp = 0;
  uint8_t pb = 2;
  uint8_t dictionary = 18;
  XzFilter filter = XzFilter::kNone;

  uint32_t dictionary_bytes() const;
};

struct ZlibParameters {
  uint8_t level = 9;
  uint8_t window_bits = 15;
  uint8_t strategy = 0;
  bool raw_deflate = false;
  uint8_t mem_level = 8;
};

struct Recode {
  RecodeCodec codec = RecodeCodec::kNone;
  std::array<uint8_t, 7> parameters{};

  static Recode Xz(const XzParameters& p);
  static Recode Lzma(const XzParameters& p);
  static Recode Zlib(const ZlibParameters& p);
  static Recode Zstd(uint8_t level) { return {RecodeCodec::kZstd, {level}}; }
  static Recode Lz4(bool high_compression) { return {RecodeCodec::kLz4, {uint8_t{high_compression}}}; }

  // Only for a recode of that kind; every field in range once CheckRecode() said so.
  XzParameters xz() const;
  ZlibParameters zlib() const;

  bool operator==(const Recode&) const = default;
};

// What an encoder may need for `plain_bytes`, and exactly the room it is always given: with more or less of it zstd
// and lz4 could decide otherwise.
constexpr uint64_t CodedBound(uint64_t plain_bytes) { return plain_bytes + plain_bytes / 128 + 1024; }

Status CheckRecode(const Recode& recode);
Result<Recode> DecodeRecode(ByteView bytes);  // exactly kRecodeBytes; kNone is refused
void EncodeRecode(const Recode& recode, ByteWriter& out);

// Memory that decoding or encoding a block of at most `plain_bytes` takes: the same number on every machine, measured
// with the pinned libraries on 64 and 32 bits (tests/delta/codec). The larger of both is what an arena holds.
uint64_t RecodeDecodeBytes(const Recode& recode, uint64_t plain_bytes);
uint64_t RecodeEncodeBytes(const Recode& recode, uint64_t plain_bytes);

}  // namespace till::delta
