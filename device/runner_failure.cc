// What the runner keeps of a failure: data_dir/failure.log for people, the kernel's last words for the report.
#include "core/file.h"
#include "core/text.h"
#include "device/failure_bundle.h"
#include "device/runner.h"

namespace till::device {
namespace {

constexpr size_t kKernelTailBytes = 3 << 10;
constexpr size_t kDetailBytes = AgentState::kMaxDetail;

std::string ConfigText(const Config& config) {
  std::string text;
  for (size_t i = 0; i < ConfigKeys().size(); i++) {
    const std::string value = ConfigValue(config, i);
    if (!value.empty() && config.origins[i] != Origin::kDefault) {
      text += std::string(ConfigKeys()[i]) + " = " + Printable(value) + "\n";
    }
  }
  return text;
}

}  // namespace

std::vector<std::string> Runner::KernelDetails() const {
  return CutIntoDetails(KernelTail(config_.pstore_dir, kKernelTailBytes), kDetailBytes, AgentState::kMaxDetails - 1);
}

void Runner::KeepFailure() {
  const Trouble& trouble = state_.trouble;
  if (state_.phase == Phase::kIdle && !trouble.text.starts_with("T2")) TellHook("post-rollback");
  if (config_.bundle_bytes == 0) return;
  const auto memory = ReadTextFile("/proc/meminfo", 512);
  const BundleParts parts = {
      {"reason", "time " + FormatUtc(trouble.unix_s) + "\naction " + trouble.action + "\nversion " + trouble.version +
                     "\nslot " + SlotName(running_) + "\n" + trouble.text + "\n"},
      {"kernel", KernelTail(config_.pstore_dir, config_.bundle_bytes / 3)},
      {"log", log::Tail()},
      {"settings", ConfigText(config_)},
      {"memory", memory.ok() ? *memory : ""},
  };
  const std::string bundle = MakeBundle(parts, config_.bundle_bytes);
  const Status kept = WriteFileAtomically(config_.data_dir + "/failure.log", AsBytes(bundle), 0600);
  if (!kept.ok()) log::Warn("the failure is not kept", {{"cause", kept.error()}});
}

}  // namespace till::device
