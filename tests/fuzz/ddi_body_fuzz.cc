// Property: any body a terminal sends is refused with a client's error, or read into something within its bounds.
// The first byte chooses the endpoint.   covers W21
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "server/ddi/bodies.h"

namespace {

void CheckError(const till::Error& error) {
  assert(error.code == till::ErrorCode::kInvalid || error.code == till::ErrorCode::kLimit);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace till::server;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 3 == 0) {
    const auto feedback = ParseFeedback(body);
    if (!feedback.ok()) return CheckError(feedback.error()), 0;
    assert(feedback->details.size() <= kMaxMessages);
    assert(feedback->timestamp_ms >= 0);
    assert(static_cast<unsigned>(feedback->execution) < 8 && static_cast<unsigned>(feedback->finished) < 3);
  } else if (data[0] % 3 == 1) {
    const auto change = ParseConfigData(body);
    if (!change.ok()) return CheckError(change.error()), 0;
    assert(!change->data.empty());
    for (const auto& [key, value] : change->data) {
      assert(!key.empty() && key.size() <= kMaxAttributeText * 4);
      assert(!value || value->size() <= kMaxAttributeText * 4);
    }
  } else {
    const auto base = ParseInstalledBase(body);
    if (!base.ok()) return CheckError(base.error()), 0;
    assert(!base->name.empty() && !base->version.empty());
  }
  return 0;
}
