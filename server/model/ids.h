// Strong numeric ids of the server's entities. 0 is "none". A target is named by its controller id, a string.
#pragma once

#include <cstdint>
#include <string>

namespace till::server {

enum class SoftwareModuleId : uint64_t {};
enum class ArtifactId : uint64_t {};
enum class DistributionSetId : uint64_t {};
enum class ActionId : uint64_t {};
enum class ActionStatusId : uint64_t {};
enum class RolloutId : uint64_t {};
enum class DeployGroupId : uint64_t {};

template <typename Id>
constexpr uint64_t Number(Id id) {
  return static_cast<uint64_t>(id);
}
template <typename Id>
std::string IdText(Id id) {
  return std::to_string(Number(id));
}
template <typename Id>
constexpr bool IsSet(Id id) {
  return Number(id) != 0;
}

}  // namespace till::server
