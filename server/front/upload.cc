#include "server/front/upload.h"

#include "core/text.h"

namespace till::front {
namespace {

constexpr size_t kMaxFieldBytes = 512;
constexpr uint64_t kMaxDrainedBytes = uint64_t{1} << 20;

}  // namespace

UploadSink::UploadSink(std::string boundary, std::unique_ptr<server::ArtifactStore::Upload> upload,
                       std::shared_ptr<Verdict> verdict)
    : upload_(std::move(upload)), verdict_(std::move(verdict)), parser_(std::move(boundary), *this) {}

Status UploadSink::Write(ByteView bytes) {
  received_bytes_ += bytes.size();
  if (verdict_->refused()) {
    // A little is read and thrown away, so that a small upload gets its clean 401 instead of a cut connection.
    if (received_bytes_ <= kMaxDrainedBytes) return Ok();
    return Error{ErrorCode::kRefused, "not allowed", 0};
  }
  if (verdict_->undecided() && received_bytes_ > kMaxUndecidedBytes) {
    return Error{ErrorCode::kUnavailable, "too much came before the operator was known", kMaxUndecidedBytes};
  }
  return parser_.Write(bytes);
}

Status UploadSink::Finish() const {
  TILL_TRY(parser_.Finish());
  if (!has_file_) return Error{ErrorCode::kInvalid, "the form has no file", 0};
  return Ok();
}

Status UploadSink::OnPart(const PartHead& head) {
  field_ = nullptr;
  in_file_ = head.is_file || head.name == "file";
  if (in_file_) {
    if (has_file_) return Error{ErrorCode::kInvalid, "the form has more than one file", 0};
    has_file_ = true;
    if (claims_.filename.empty()) claims_.filename = head.filename;
    return Ok();
  }
  if (head.name == "filename") field_ = &claims_.filename;
  if (head.name == "md5sum") field_ = &claims_.md5;
  if (head.name == "sha1sum") field_ = &claims_.sha1;
  if (head.name == "sha256sum") field_ = &claims_.sha256;
  if (field_ != nullptr) field_->clear();
  return Ok();
}

Status UploadSink::OnPartData(ByteView bytes) {
  if (in_file_) return upload_->Write(bytes);
  if (field_ == nullptr) return Ok();
  if (bytes.size() > kMaxFieldBytes - field_->size()) {
    return Error{ErrorCode::kInvalid, "a form field is too long", kMaxFieldBytes};
  }
  field_->append(AsText(bytes));
  return Ok();
}

Status UploadSink::OnPartEnd() {
  if (field_ != nullptr) *field_ = std::string(Trim(*field_));
  field_ = nullptr;
  in_file_ = false;
  return Ok();
}

}  // namespace till::front
