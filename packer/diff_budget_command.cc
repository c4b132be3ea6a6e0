// tillpack diff-budget: the over-the-air cost of a change, as a gate for merge requests.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/file.h"
#include "core/text.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/payload_maker.h"
#include "packer/progress.h"
#include "packer/release_config.h"
#include "packer/release_record.h"

namespace till::packer {
namespace {

struct Arguments {
  std::string config = "tillrace.toml";
  std::string base;
  std::string max;
  std::vector<std::string> images;
};

struct Cost {
  std::string component;
  uint64_t delta_bytes = 0;
  uint64_t full_bytes = 0;
  uint64_t arena_bytes = 0;
  uint64_t instructions = 0;
};

struct Pair {
  std::string component;
  std::string base_path;
  std::string target_path;
};

// The images to compare, from the configuration, the flags and the base: a version made here, or a file.
int FindPairs(const GlobalOptions& options, const Arguments& arguments, const ReleaseConfig& config,
              std::vector<Pair>& pairs) {
  const std::string folder = config.out_folder + "/" + arguments.base;
  const Result<ReleaseRecord> base = ReadReleaseRecord(folder);
  if (!base.ok() && !FileExists(arguments.base))
    return Fail(options, kExitUsage, kBadArgument,
                "--base " + arguments.base + ": no release in " + config.out_folder + " and no file", &base.error());
  if (!base.ok() && config.images.size() != 1)
    return Fail(options, kExitUsage, kBadArgument, "--base as a file needs a configuration with one image");
  for (const ImageConfig& image : config.images) {
    Pair pair{image.component, base.ok() ? "" : arguments.base, image.file};
    for (const std::string& given : arguments.images) {
      const size_t equals = given.find('=');
      if (given.substr(0, equals) == image.component && equals != std::string::npos)
        pair.target_path = given.substr(equals + 1);
    }
    if (base.ok()) {
      for (const ComponentRecord& component : base->components) {
        if (component.component == image.component) pair.base_path = folder + "/" + component.image_file;
      }
    }
    if (!pair.base_path.empty()) pairs.push_back(std::move(pair));
  }
  return kExitOk;
}

Result<Cost> Measure(const GlobalOptions& options, const Pair& pair, const delta::Profile* profile,
                     std::string& error_path) {
  Progress progress(options, SystemClock());
  PayloadRequest request;
  request.base_path = pair.base_path;
  request.target_path = pair.target_path;
  request.profile = profile;
  request.progress = [&](const delta::DiffProgress& at) {
    progress.Show({pair.component, at.stage, at.done_bytes, at.total_bytes});
    return true;
  };
  const MadePayload made = TILL_TRY(MakePayload(request, &error_path));
  Cost cost{pair.component, made.bytes.size(), 0, made.facts.header.arena_bytes,
            made.facts.header.instruction_estimate};
  request.base_path.clear();
  cost.full_bytes = TILL_TRY(MakePayload(request, &error_path)).bytes.size();
  return cost;
}

void Tell(const GlobalOptions& options, const Arguments& arguments, const std::vector<Cost>& costs, uint64_t max,
          const char* verdict) {
  uint64_t total = 0;
  for (const Cost& cost : costs) total += cost.delta_bytes;
  if (options.json) {
    json::Value list = json::Value::Array();
    for (const Cost& cost : costs) {
      json::Value item = json::Value::Object();
      item.Set("component", cost.component).Set("bytes", cost.delta_bytes).Set("full_bytes", cost.full_bytes);
      item.Set("arena_bytes", cost.arena_bytes);
      if (cost.instructions != 0) item.Set("seconds_mt7688", ApplySeconds(cost.instructions));
      list.Append(std::move(item));
    }
    json::Value event = json::Value::Object();
    event.Set("event", "diff-budget.done").Set("base", arguments.base).Set("bytes", total).Set("max_bytes", max);
    event.Set("verdict", verdict).Set("components", std::move(list));
    std::printf("%s\n", json::Write(event).c_str());
    return;
  }
  for (const Cost& cost : costs) {
    std::printf(" %-10s from %s: %s (full: %s), memory %s\n", cost.component.c_str(), Printable(arguments.base).c_str(),
                FormatSize(cost.delta_bytes).c_str(), FormatSize(cost.full_bytes).c_str(),
                FormatSize(cost.arena_bytes).c_str());
  }
  std::printf(" %-10s %s of %s allowed: %s\n", "total", FormatSize(total).c_str(), FormatSize(max).c_str(), verdict);
}

int Judge(const GlobalOptions& options, const Arguments& arguments, const ReleaseConfig& config,
          const std::vector<Cost>& costs, uint64_t max) {
  uint64_t total = 0;
  bool worth_it = true;
  bool fits = true;
  for (const Cost& cost : costs) {
    total += cost.delta_bytes;
    worth_it = worth_it && cost.delta_bytes * 1000 < cost.full_bytes * config.keep_permille;
    fits = fits && cost.arena_bytes <= config.profile->max_arena_bytes;
  }
  const char* verdict = total > max ? "over budget" : !fits ? "too much memory" : !worth_it ? "no delta" : "within";
  Tell(options, arguments, costs, max, verdict);
  if (total > max || !fits) {
    return Fail(options, kExitCeiling, kOverBudget,
                "from " + arguments.base + ": " + FormatSize(total) + " of " + FormatSize(max) + " (" + verdict + ")");
  }
  return worth_it ? kExitOk : kExitNoDelta;
}

int DiffBudget(const GlobalOptions& options, const Arguments& arguments) {
  const Result<uint64_t> max = ParseSize(arguments.max);
  if (!max.ok()) return Fail(options, kExitUsage, kBadArgument, "--max " + arguments.max, &max.error());
  ConfigFault fault;
  const Result<ReleaseConfig> config = LoadReleaseConfig(arguments.config, fault);
  if (!config.ok()) return Fail(options, kExitUsage, kBadConfig, fault.where + " " + fault.what, &config.error());
  std::vector<Pair> pairs;
  if (const int refused = FindPairs(options, arguments, *config, pairs); refused != kExitOk) return refused;
  std::vector<Cost> costs;
  for (const Pair& pair : pairs) {
    std::string error_path;
    const Result<Cost> cost = Measure(options, pair, config->profile, error_path);
    if (!cost.ok()) {
      return Fail(options, kExitFailed, error_path.empty() ? kPayloadNotMade : kInputUnreadable,
                  error_path.empty() ? pair.component : error_path, &cost.error());
    }
    costs.push_back(*cost);
  }
  return Judge(options, arguments, *config, costs, *max);
}

}  // namespace

void AddDiffBudgetCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand(
      "diff-budget", "Make the delta of a change and fail when it is above a budget (exit 4; 5: not worth a delta)");
  command->add_option("--max", arguments->max, "The budget for all components together, as in 400KiB")->required();
  command->add_option("--base", arguments->base, "Version made here, or a file, to start from")->required();
  command->add_option("--config", arguments->config, "Configuration")->capture_default_str();
  command->add_option("--image", arguments->images, "COMPONENT=FILE: another file than the configuration names");
  command->footer("No keys are needed and nothing is written.");
  command->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return DiffBudget(options, *arguments); }; });
}

}  // namespace till::packer
