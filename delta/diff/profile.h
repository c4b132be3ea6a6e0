// What a terminal can do and what its time is worth: the numbers the planner decides by.
//   Instructions are those of a MIPS 24KEc, counted under qemu-user by tools/count_instructions.py, which makes the
//   table in profile.cc again.
#pragma once

#include <string_view>

#include "delta/format/format.h"

namespace till::delta {

struct Profile {
  std::string_view name;
  uint64_t max_arena_bytes;
  // Less is asked of payloads that can do with less: blocks of at most 128 KiB or an encoder as small as gzip's, and
  // payloads that make no block again. Kept where it can be, by keeping fewer opened blocks and shorter windows.
  uint64_t small_block_arena_bytes;
  uint64_t no_block_arena_bytes;
  unsigned cache_blocks;
  // 2.5 cycles an instruction is an assumption: no board was measured.
  uint64_t instructions_per_second;
  // A byte of download is worth this much of the terminal's time.
  uint64_t instructions_per_byte;

  // What this payload's arena should not exceed.
  uint64_t ArenaCeiling(const PayloadHeader& header) const;
};

// mt7688-64m, mt7688-128m, generic. nullptr: no such profile.
const Profile* FindProfile(std::string_view name);
std::string_view ProfileNames();  // "mt7688-64m, mt7688-128m, generic", for messages

// Instructions for making or opening a block of so many plain bytes.
uint64_t EncodeInstructions(const Recode& recode, uint64_t plain_bytes);
uint64_t DecodeInstructions(const Recode& recode, uint64_t plain_bytes);
// For decoding so many bytes of a stream, by its codec, and for hashing and writing the target.
uint64_t StreamInstructions(Codec codec, uint64_t plain_bytes);
// What the residual model takes for new bytes besides (decision 0030).
uint64_t LiteralInstructions(uint64_t literal_bytes);
uint64_t HashInstructions(uint64_t bytes);

}  // namespace till::delta
