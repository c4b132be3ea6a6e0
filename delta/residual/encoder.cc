#include "delta/residual/encoder.h"

#include <algorithm>

#include "delta/residual/model_code.h"

namespace till::delta {

ResidualEncoder::ResidualEncoder() : model_(new ResidualModel) { model_->Reset(); }
ResidualEncoder::~ResidualEncoder() = default;
ResidualEncoder::ResidualEncoder(const ResidualEncoder& other)
    : model_(std::make_unique<ResidualModel>(*other.model_)), coder_(other.coder_) {}
ResidualEncoder& ResidualEncoder::operator=(const ResidualEncoder& other) {
  *model_ = *other.model_;
  coder_ = other.coder_;
  return *this;
}

void ResidualEncoder::StartOp(uint64_t address, unsigned phase) { model_->StartOp(coder_, address, phase); }

void ResidualEncoder::Write(ByteView predicted, ByteView bytes) {
  assert(predicted.empty() || predicted.size() == bytes.size());
  // The model writes what it coded: the same bytes. A small copy keeps the face clean; multiples of 4 keep words whole.
  std::array<std::byte, 4096> copy;
  for (size_t done = 0; done < bytes.size();) {
    const size_t wanted = std::min(bytes.size() - done, copy.size() - (predicted.empty() ? 0 : model_->phase()));
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(done), wanted, copy.begin());
    const MutableByteView part = MutableByteView(copy).first(wanted);
    if (predicted.empty()) {
      model_->CodeLiteral(coder_, part);
    } else {
      model_->CodePredicted(coder_, predicted.subspan(done, wanted), part);
    }
    done += wanted;
  }
}

}  // namespace till::delta
