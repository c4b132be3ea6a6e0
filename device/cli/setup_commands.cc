#include <sys/stat.h>

#include <cstdio>

#include "core/json/json.h"
#include "core/text.h"
#include "device/cli/commands.h"
#include "device/faults.h"
#include "device/provision.h"

namespace till::device {

int AdoptCommand(const Arguments& arguments) {
  Setting setting;
  if (const int status = ReadSetting(arguments, false, setting)) return status;
  const Config& config = setting.config;
  auto parts = OpenParts(config);
  if (!parts.ok()) return Fail(kDataFolder, config.data_dir, &parts.error(), 1, arguments.json);
  const auto lock = LockDataFolder(config);
  if (!lock.ok()) return Fail(kDataFolder, config.data_dir, &lock.error(), 1, arguments.json);
  Adopted adopted;
  const auto refusal = Adopt(config, arguments.adopt, std::move(*parts), adopted);
  if (refusal) return Fail(*refusal, refusal->fault == &kUsage ? 2 : 1, arguments.json);
  const SlotImage& image = adopted.image;
  if (arguments.json) {
    json::Value out = json::Value::Object();
    out.Set("slot", SlotName(arguments.adopt.slot));
    out.Set("version", image.version);
    out.Set("image", ToHex(image.sha256));
    out.Set("length", image.length_bytes);
    out.Set("rollback_index", image.rollback_index);
    out.Set("signed", adopted.signed_image);
    out.Set("changed", adopted.changed);
    printf("%s\n", json::Write(out).c_str());
  } else {
    printf("slot %s holds %s, %s, %s%s%s\n", SlotName(arguments.adopt.slot), image.version.c_str(),
           FormatSize(image.length_bytes).c_str(), ToHex(image.sha256).c_str(),
           adopted.signed_image ? ", named by signed metadata" : "", adopted.changed ? "" : ": known before");
  }
  return 0;
}

int ProvisionCommand(const Arguments& arguments) {
  Setting setting;
  if (const int status = ReadSetting(arguments, false, setting)) return status;
  const Config& config = setting.config;
  auto parts = OpenParts(config);
  if (!parts.ok()) return Fail(kDataFolder, config.data_dir, &parts.error(), 1, arguments.json);
  chmod(config.data_dir.c_str(), 0700);  // the key lies here
  const auto lock = LockDataFolder(config);
  if (!lock.ok()) return Fail(kDataFolder, config.data_dir, &lock.error(), 1, arguments.json);
  ProvisionInput input;
  input.token_file = arguments.token_file;
  input.root_file = arguments.root_file;
  input.replace_root = arguments.replace_root;
  input.adopt = arguments.adopt;
  std::vector<ProvisionStep> steps;
  const auto refusal = Provision(config, input, std::move(*parts), steps);
  for (const ProvisionStep& step : steps) {
    if (!arguments.json) printf(" %-7s %-9s %s\n", step.changed ? "made" : "there", step.what, step.text.c_str());
    json::Value entry = json::Value::Object();
    entry.Set("step", step.what);
    entry.Set("changed", step.changed);
    entry.Set("text", step.text);
    if (arguments.json) printf("%s\n", json::Write(entry).c_str());
  }
  if (refusal) return Fail(*refusal, refusal->fault == &kConfigIncomplete ? 2 : 1, arguments.json);
  return 0;
}

}  // namespace till::device
