// Property: any text is a filter or an Error; a filter can be asked, and its answer does not change.
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "server/mgmt/rsql.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace till::mgmt::rsql;
  static constexpr Field kFields[] = {
      {"name"}, {"attribute."}, {"weight", FieldKind::kNumber}, {"active", FieldKind::kBool}};
  const auto filter = Filter::Parse({reinterpret_cast<const char*>(data), size}, kFields);
  if (!filter.ok()) {
    assert(filter.error().detail <= size || filter.error().code == till::ErrorCode::kLimit);
    return 0;
  }
  const auto read = [](const Comparison& wanted) -> std::vector<std::string> {
    if (wanted.kind == FieldKind::kNumber) return {"12"};
    if (wanted.kind == FieldKind::kBool) return {"true"};
    return {"ab*ba" + wanted.key};
  };
  assert(filter->Matches(read) == filter->Matches(read));
  return 0;
}
