// Property: what Parse() accepts is within its limits, and reads back from each writer as the same value.
#include <cstdlib>

#include "core/bytes.h"
#include "core/json/json.h"

namespace {

using till::json::Value;

void Require(bool good) {
  if (!good) abort();
}

size_t Measure(const Value& value, size_t depth, size_t max_depth) {
  const bool is_container = value.is_array() || value.is_object();
  Require(depth + (is_container ? 1 : 0) <= max_depth);
  size_t count = 1;
  for (const Value& item : value.items()) count += Measure(item, depth + 1, max_depth);
  for (const auto& member : value.members()) count += Measure(member.second, depth + 1, max_depth);
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  till::json::Limits limits;
  limits.max_depth = 8;
  limits.max_values = 1000;
  limits.allow_fractions = size % 2 == 0;
  const till::Result<Value> parsed = till::json::Parse(text, limits);
  if (!parsed.ok()) {
    Require(parsed.error().code == till::ErrorCode::kCorrupt || parsed.error().code == till::ErrorCode::kLimit);
    return 0;
  }
  Require(Measure(*parsed, 0, limits.max_depth) <= limits.max_values);
  // Escapes may make the writers' texts longer than the input, so only the size limit is lifted.
  till::json::Limits roomy = limits;
  roomy.max_bytes = UINT64_MAX;
  for (const std::string& written : {till::json::Write(*parsed), till::json::WritePretty(*parsed)}) {
    const till::Result<Value> again = till::json::Parse(written, roomy);
    Require(again.ok() && *again == *parsed);
    Require(till::json::Write(*again) == till::json::Write(*parsed));
  }
  const till::Result<std::string> canonical = till::json::WriteCanonical(*parsed);
  if (!limits.allow_fractions) Require(canonical.ok());
  return 0;
}
