// An artifact upload on its way in: multipart/form-data, streamed into the artifact directory while it comes.
//   The operator is checked on a worker while bytes arrive. Until the answer is there at most kMaxUndecidedBytes are
//   taken, and at most kMaxUndecidedUploads such uploads are open: strangers cannot fill the disk.
//   Thread rule: Write() on the loop thread; Decide() from a worker; the rest after the body is complete.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "core/http/server.h"
#include "server/artifacts/artifact_store.h"
#include "server/front/multipart.h"
#include "server/mgmt/artifacts.h"

namespace till::front {

inline constexpr uint64_t kMaxUndecidedBytes = uint64_t{64} << 20;
inline constexpr int kMaxUndecidedUploads = 4;

// Whether the operator behind an upload may do it; shared by the sink and the worker that finds out.
class Verdict {
 public:
  explicit Verdict(std::shared_ptr<std::atomic<int>> open) : open_(std::move(open)) {}
  ~Verdict() { Settle(State::kRefused); }
  void Decide(bool allowed) { Settle(allowed ? State::kAllowed : State::kRefused); }
  bool refused() const { return state_ == State::kRefused; }
  bool undecided() const { return state_ == State::kOpen; }

 private:
  enum class State : uint8_t { kOpen, kAllowed, kRefused };
  void Settle(State state) {
    State expected = State::kOpen;
    if (state_.compare_exchange_strong(expected, state)) --*open_;
  }
  std::atomic<State> state_ = State::kOpen;
  std::shared_ptr<std::atomic<int>> open_;  // shared with the front, which counts up; uploads may outlive it
};

class UploadSink : public http::BodySink, private PartVisitor {
 public:
  UploadSink(std::string boundary, std::unique_ptr<server::ArtifactStore::Upload> upload,
             std::shared_ptr<Verdict> verdict);
  Status Write(ByteView bytes) override;

  // The body is complete. kInvalid when it has no file or ends early.
  Status Finish() const;
  // What the form fields and the file part said.
  const mgmt::UploadClaims& claims() const { return claims_; }
  server::ArtifactStore::Upload& upload() { return *upload_; }

 private:
  Status OnPart(const PartHead& head) override;
  Status OnPartData(ByteView bytes) override;
  Status OnPartEnd() override;

  std::unique_ptr<server::ArtifactStore::Upload> upload_;
  std::shared_ptr<Verdict> verdict_;
  MultipartParser parser_;
  mgmt::UploadClaims claims_;
  std::string* field_ = nullptr;  // the form field that is coming in
  bool in_file_ = false;
  bool has_file_ = false;
  uint64_t received_bytes_ = 0;
};

}  // namespace till::front
