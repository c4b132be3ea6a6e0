#include "server/front/upload.h"

#include "core/text.h"

namespace till::front {
namespace {

constexpr size_t kMaxFieldBytes = 512;

}  // namespace

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
