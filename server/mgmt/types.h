// The types a repository starts with (hawkBit's defaults). Read-only in this version.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace till::mgmt {

struct ModuleType {
  uint64_t id;
  const char* key;
  const char* name;
  uint32_t max_assignments;
};
struct SetType {
  uint64_t id;
  const char* key;
  const char* name;
  const char* mandatory;  // module type keys; "" = none
  const char* optional;
};

std::span<const ModuleType> ModuleTypes();
std::span<const SetType> SetTypes();
const ModuleType* FindModuleType(std::string_view key);
const SetType* FindSetType(std::string_view key);

}  // namespace till::mgmt
