#include "device/health.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "core/text.h"
#include "device/child_process.h"

namespace till::device {
namespace {

constexpr size_t kMaxChecks = 64;

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

std::vector<std::string> Executables(const std::string& folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, CloseFolder> open(opendir(folder.c_str()));
  if (!open) return names;
  while (const dirent* entry = readdir(open.get())) {
    const std::string path = folder + "/" + entry->d_name;
    struct stat about;
    if (entry->d_name[0] == '.' || stat(path.c_str(), &about) != 0) continue;
    if (S_ISREG(about.st_mode) && access(path.c_str(), X_OK) == 0) names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string RunOne(const HealthInput& input, const std::string& name, Clock& clock) {
  ChildCall call{.path = input.folder + "/" + name, .deadline_ms = input.deadline_ms};
  call.environment = {
      {"TILL_SLOT_IMAGE", input.slot_image}, {"TILL_SLOT", input.slot_name}, {"TILL_VERSION", input.version}};
  const ChildEnd end = RunChild(call, clock);
  return end.good() ? "" : "health: " + Printable(name) + " " + end.Describe(input.deadline_ms);
}

}  // namespace

HealthVerdict RunHealthChecks(const HealthInput& input, Clock& clock) {
  if (input.folder.empty()) return {};
  const auto names = Executables(input.folder);
  if (names.size() > kMaxChecks) return {false, 0, "health: more than 64 checks in " + input.folder};
  HealthVerdict verdict;
  for (const std::string& name : names) {
    verdict.reason = RunOne(input, name, clock);
    verdict.healthy = verdict.reason.empty();
    if (!verdict.healthy) return verdict;
    verdict.checks++;
  }
  return verdict;
}

}  // namespace till::device
