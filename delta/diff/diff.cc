#include "delta/diff/diff.h"

#include "delta/apply/payload_file.h"
#include "delta/diff/frame_packer.h"
#include "delta/diff/locality.h"
#include "delta/diff/payload_writer.h"
#include "delta/diff/planner.h"
#include "delta/format/arena.h"

namespace till::delta {
namespace {

// Windows of LZMA streams, from generous to none worth the name: the first whose arena fits is taken.
constexpr unsigned kWindowLogs[] = {19, 18, 16, 14, kMinLzmaWindowLog};

uint64_t InstructionsFor(const PlanCounts& counts, const PayloadHeader& header) {
  uint64_t sum = HashInstructions(header.target_size + header.base_size) + counts.block_instructions;
  const bool model = (header.stream_codecs[kDiff] & CodecBit(Codec::kModel)) != 0;
  if (model) sum += LiteralInstructions(counts.literal_plain_bytes);
  return sum + StreamInstructions(model ? Codec::kModel : Codec::kLzma, counts.stream_plain_bytes);
}

// Compares instead of keeping: the target is in memory already.
class ComparingSink : public Sink {
 public:
  explicit ComparingSink(ByteView expected) : expected_(expected) {}
  Status Write(ByteView bytes) override {
    if (bytes.size() > expected_.size() || !std::equal(bytes.begin(), bytes.end(), expected_.begin())) {
      return Error{ErrorCode::kCorrupt, "the payload does not rebuild its target"};
    }
    expected_ = expected_.subspan(bytes.size());
    return Ok();
  }
  Status Finish() override { return Ok(); }

 private:
  ByteView expected_;
};

class DeltaMaker {
 public:
  DeltaMaker(ByteView base, ByteView target, const DiffOptions& options)
      : base_bytes_(base), target_bytes_(target), options_(options) {
    if (options_.profile == nullptr) options_.profile = FindProfile("mt7688-64m");
  }

  Result<DeltaResult> Run() {
    ExpandedImage base = ExpandedImage::Open(base_bytes_);
    ExpandedImage target = ExpandedImage::Open(target_bytes_);
    const Plan plan = TILL_TRY(MakePlan({&base, &target, &options_}));
    Plan widest = plan;
    PackedFrames packed = TILL_TRY(Pack(base, target, widest, kWindowLogs[0]));
    // What a payload of its kind should do with, and only if there is no way what the terminal has at most.
    for (const bool at_most : {false, true}) {
      for (unsigned cache_blocks = plan.cache_blocks; cache_blocks > 0; --cache_blocks) {
        for (const unsigned window_log : kWindowLogs) {
          if (!Fits(WithLess(packed.header, cache_blocks, window_log), at_most)) continue;
          if (cache_blocks == plan.cache_blocks && window_log == kWindowLogs[0]) {
            CountDecodes(base, widest);
            return Finish(std::move(packed), widest);
          }
          Plan attempt = plan;
          attempt.cache_blocks = cache_blocks;
          PackedFrames less = TILL_TRY(Pack(base, target, attempt, window_log));
          if (!Fits(less.header, at_most)) continue;
          CountDecodes(base, attempt);
          return Finish(std::move(less), attempt);
        }
      }
    }
    return Error{ErrorCode::kLimit, "no delta fits the profile's memory", options_.profile->max_arena_bytes};
  }

 private:
  Result<PackedFrames> Pack(const ExpandedImage& base, const ExpandedImage& target, Plan& plan, unsigned window_log) {
    PackInput input{&base, &target, &options_, {}};
    input.coder.max_window_log = window_log;
    input.coder.zstd_level = options_.zstd_level;
    return PackFrames(input, plan);
  }

  // What the header would be, nearly: shorter windows may let other codecs win.
  static PayloadHeader WithLess(PayloadHeader header, unsigned cache_blocks, unsigned window_log) {
    if (header.cache_blocks > 0) header.cache_blocks = static_cast<uint8_t>(cache_blocks);
    for (uint8_t& log : header.window_logs) log = std::min(log, static_cast<uint8_t>(window_log));
    return header;
  }

  bool Fits(const PayloadHeader& header, bool at_most) const {
    const Profile& profile = *options_.profile;
    return ArenaBytesFor(header) <= (at_most ? profile.max_arena_bytes : profile.ArenaCeiling(header));
  }

  Result<DeltaResult> Finish(PackedFrames packed, const Plan& plan) {
    PayloadHeader& header = packed.header;
    header.base_sha256 = crypto::Sha256Of(base_bytes_);
    header.target_sha256 = crypto::Sha256Of(target_bytes_);
    header.arena_bytes = static_cast<uint32_t>(ArenaBytesFor(header));
    header.instruction_estimate = static_cast<uint32_t>((InstructionsFor(plan.counts, header) >> 20) + 1);
    DeltaResult result{TILL_TRY(WritePayload(header, packed.frames)), header, {}};
    static_cast<DiffCounts&>(result.counts) = plan.counts;
    if (options_.apply_to_prove) TILL_TRY(Prove(result));
    return result;
  }

  Status Prove(const DeltaResult& result) {
    if (options_.progress && !options_.progress({"apply", 0, target_bytes_.size()})) {
      return Error{ErrorCode::kCanceled, "stopped on request"};
    }
    MemorySource payload(result.payload);
    MemorySource base(base_bytes_);
    ComparingSink sink(target_bytes_);
    return ApplyPayloadFile(
        {.payload = &payload, .base = &base, .target = &sink, .max_arena_bytes = result.header.arena_bytes});
  }

  ByteView base_bytes_;
  ByteView target_bytes_;
  DiffOptions options_;
};

}  // namespace

Result<DeltaResult> MakeDeltaWithCounts(ByteView base, ByteView target, const DiffOptions& options) {
  return DeltaMaker(base, target, options).Run();
}

Result<Bytes> MakeDelta(ByteView base, ByteView target, const DiffOptions& options) {
  return TILL_TRY(MakeDeltaWithCounts(base, target, options)).payload;
}

}  // namespace till::delta
