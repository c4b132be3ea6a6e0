#include "packer/payload_maker.h"

#include "core/file.h"

namespace till::packer {
namespace {

constexpr double kCyclesPerInstruction = 2.5;
constexpr double kCyclesPerSecond = 580e6;

// Takes bytes and keeps nothing: the proof needs the applier's own hash of the target only.
class NullSink : public Sink {
 public:
  Status Write(ByteView) override { return Ok(); }
  Status Finish() override { return Ok(); }
};

Status Prove(ByteView payload, ByteView base, uint64_t arena_bytes) {
  MemorySource payload_source(payload);
  MemorySource base_source(base);
  NullSink target;
  delta::ApplyFileOptions options;
  options.payload = &payload_source;
  options.base = base.empty() ? nullptr : &base_source;
  options.target = &target;
  options.max_arena_bytes = arena_bytes;
  return delta::ApplyPayloadFile(options);
}

Result<Bytes> ReadImage(const std::string& path, std::string* error_path) {
  Result<Bytes> image = ReadBinaryFile(path, kMaxImageFileBytes);
  if (!image.ok() && error_path != nullptr) *error_path = path;
  return image;
}

}  // namespace

Result<MadePayload> MakePayload(const PayloadRequest& request, std::string* error_path) {
  const Bytes target = TILL_TRY(ReadImage(request.target_path, error_path));
  const bool full = request.base_path.empty();
  const Bytes base = full ? Bytes() : TILL_TRY(ReadImage(request.base_path, error_path));
  delta::DiffOptions options;
  options.profile = request.profile;
  options.threads = request.threads;
  options.apply_to_prove = false;  // done below, for the full payload too
  options.progress = request.progress;
  delta::DiffCounts counts;
  Bytes payload;
  if (full) {
    payload = TILL_TRY(delta::MakeFull(target, options));
  } else {
    delta::DeltaResult made = TILL_TRY(delta::MakeDeltaWithCounts(base, target, options));
    payload = std::move(made.payload);
    counts = made.counts;
  }
  MemorySource source(payload);
  delta::PayloadFile facts = TILL_TRY(delta::OpenPayload(source));
  if (request.progress && !request.progress({"prove", 0, payload.size()}))
    return Error{ErrorCode::kCanceled, "stopped on request"};
  TILL_TRY(Prove(payload, base, facts.header.arena_bytes));
  const crypto::Sha256Digest sha256 = crypto::Sha256Of(payload);
  return MadePayload{std::move(payload), std::move(facts), sha256, counts};
}

double ApplySeconds(uint64_t instruction_estimate) {
  return static_cast<double>(instruction_estimate << 20) * kCyclesPerInstruction / kCyclesPerSecond;
}

}  // namespace till::packer
