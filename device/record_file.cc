#include "device/record_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace till::device {
namespace {

class PlainRecordFile final : public RecordFile {
 public:
  PlainRecordFile(UniqueFd fd, uint64_t stride_bytes) : fd_(std::move(fd)), stride_bytes_(stride_bytes) {}

  Status Read(int copy, MutableByteView out) override {
    std::fill(out.begin(), out.end(), std::byte{0xff});
    TILL_TRY(ReadSomeAt(fd_.get(), Offset(copy), out));
    return Ok();
  }

  Status Write(int copy, ByteView bytes) override {
    if (bytes.size() > stride_bytes_) return Error{ErrorCode::kLimit, "the record is too long", bytes.size()};
    TILL_TRY(WriteAllAt(fd_.get(), Offset(copy), bytes));
    if (fdatasync(fd_.get()) != 0) return SystemError("cannot make a record durable");
    return Ok();
  }

 private:
  uint64_t Offset(int copy) const { return stride_bytes_ * static_cast<unsigned>(copy); }

  UniqueFd fd_;
  uint64_t stride_bytes_;
};

}  // namespace

Result<std::unique_ptr<RecordFile>> OpenRecordFile(const std::string& path, uint64_t stride_bytes, bool create) {
  UniqueFd fd = TILL_TRY(OpenFile(path, O_RDWR | (create ? O_CREAT : 0), 0600));
  return std::unique_ptr<RecordFile>(std::make_unique<PlainRecordFile>(std::move(fd), stride_bytes));
}

}  // namespace till::device
