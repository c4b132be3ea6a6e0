#include "delta/residual/decoder.h"

#include <new>

#include "delta/residual/model_code.h"

namespace till::delta {

static_assert(sizeof(ResidualModel) <= ResidualDecoder::kBytes);
static_assert(alignof(ResidualModel) <= 8);

Result<ResidualDecoder> ResidualDecoder::Create(MutableByteView workspace, ByteView coded) {
  if (workspace.size() < kBytes || reinterpret_cast<uintptr_t>(workspace.data()) % 8 != 0) {
    return Error{ErrorCode::kLimit, "no room for the residual model", kBytes};
  }
  auto* const model = new (workspace.data()) ResidualModel;
  model->Reset();
  return ResidualDecoder(model, coded);
}

void ResidualDecoder::StartOp(uint64_t address) { model_->StartOp(coder_, address, 0); }

unsigned ResidualDecoder::phase() const { return model_->phase(); }

Status ResidualDecoder::Read(ByteView predicted, MutableByteView out) {
  assert(predicted.empty() || predicted.size() == out.size());
  if (predicted.empty()) {
    model_->CodeLiteral(coder_, out);
  } else {
    model_->CodePredicted(coder_, predicted, out);
  }
  if (coder_.overran()) return Error{ErrorCode::kCorrupt, "residual stream too short", coder_.used_bytes()};
  return Ok();
}

Status ResidualDecoder::Finish() const {
  if (coder_.ended_well()) return Ok();
  return Error{ErrorCode::kCorrupt, "residual stream has another length", coder_.used_bytes()};
}

}  // namespace till::delta
