// tillpack simulate: what a release would cost a fleet, by what each terminal runs and by what could be offered.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "core/file.h"
#include "core/text.h"
#include "packer/chunk_tier.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/fleet_census.h"
#include "packer/hub_command.h"
#include "packer/payload_maker.h"
#include "packer/progress.h"
#include "packer/release_config.h"

namespace till::packer {
namespace {

struct Arguments {
  std::string config = "tillrace.toml";
  std::string version;
  std::string fleet;
  HubArguments hub;
  double link_kbit = 100;
  double price_per_mib = 0;
};

// One way for one terminal.
struct Way {
  const char* name;
  uint64_t bytes = 0;
  uint64_t arena_bytes = 0;
  uint64_t instructions = 0;
  bool possible = false;
};

// The terminals that run one image.
struct Group {
  std::string base;  // version
  std::string component;
  uint64_t terminals = 0;
  Way full{"full"};
  Way delta{"delta"};
  Way chunks{"chunks"};
};

Result<std::map<std::string, uint64_t>> ParseFleet(const std::string& text) {
  std::map<std::string, uint64_t> fleet;
  for (const std::string_view part : Split(text, ',')) {
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos) return Error{ErrorCode::kInvalid, "must read VERSION=COUNT,VERSION=COUNT"};
    fleet[std::string(Trim(part.substr(0, equals)))] = TILL_TRY(ParseUint(Trim(part.substr(equals + 1))));
  }
  return fleet;
}

class Simulation {
 public:
  Simulation(const GlobalOptions& options, const Arguments& arguments, const ReleaseConfig& config)
      : options_(options), arguments_(arguments), config_(config) {}

  // Fills groups(); on an Error `context` names the thing.
  Status Run(std::string& context) {
    std::vector<ReleaseRecord> releases = TILL_TRY(ReadReleases(config_.out_folder));
    context = arguments_.version.empty() ? config_.out_folder : arguments_.version;
    const auto is_target = [&](const ReleaseRecord& r) { return r.version == arguments_.version; };
    const auto target = arguments_.version.empty() ? releases.empty() ? releases.end() : releases.end() - 1
                                                   : std::find_if(releases.begin(), releases.end(), is_target);
    if (target == releases.end()) return Error{ErrorCode::kNotFound, "no such release"};
    target_ = *target;
    FleetCensus census;
    std::map<std::string, uint64_t> fleet;
    if (!arguments_.fleet.empty()) {
      context = "--fleet " + arguments_.fleet;
      fleet = TILL_TRY(ParseFleet(arguments_.fleet));
      // Terminals that were left out would make the bill too small.
      for (const auto& [version, count] : fleet) {
        context = "--fleet " + version;
        if (std::ranges::find(releases, version, &ReleaseRecord::version) == releases.end())
          return Error{ErrorCode::kInvalid, "no such release in the out folder"};
      }
    } else if (!arguments_.hub.access.url.empty()) {
      HubConnection hub(arguments_.hub.access);
      Result<FleetCensus> asked = AskFleet(hub, releases);
      context = hub.error_context();
      hub_failed_ = !asked.ok();
      if (!asked.ok()) return asked.error();
      census = *std::move(asked);
    }
    for (const ReleaseRecord& base : releases) {
      if (base.version == target_.version) continue;
      for (const ComponentRecord& component : base.components) {
        uint64_t count = 1;
        if (!arguments_.fleet.empty()) count = fleet.contains(base.version) ? fleet[base.version] : 0;
        if (!arguments_.hub.access.url.empty() && arguments_.fleet.empty()) count = census.Running(component);
        context = base.version + " " + component.component;
        if (count > 0) TILL_TRY(AddGroup(base, component, count));
      }
    }
    return Ok();
  }
  bool hub_failed() const { return hub_failed_; }  // an Error of Run() was the hub's
  const std::vector<Group>& groups() const { return groups_; }
  const ReleaseRecord& target() const { return target_; }

 private:
  Status AddGroup(const ReleaseRecord& base, const ComponentRecord& old, uint64_t count) {
    for (const ComponentRecord& component : target_.components) {
      if (component.component != old.component || component.image_sha256 == old.image_sha256) continue;
      Group group{base.version, component.component, count};
      const std::string folder = config_.out_folder + "/" + target_.version + "/";
      const std::string base_path = config_.out_folder + "/" + base.version + "/" + old.image_file;
      for (const PayloadRecord& payload : component.payloads) {
        if (payload.kind == PayloadRecord::Kind::kFull) group.full = WayOf("full", payload);
        if (payload.is_delta() && payload.base == old.image_sha256) group.delta = WayOf("delta", payload);
        if (payload.kind == PayloadRecord::Kind::kChunks && FileExists(base_path)) {
          const ChunkCost cost = TILL_TRY(PlayChunks(base_path, folder + payload.file, {}));
          group.chunks = {"chunks", cost.total_bytes(), cost.arena_bytes, 0, true};
        }
      }
      if (!group.delta.possible && FileExists(base_path))
        TILL_TRY(MakeMissing(base_path, folder + component.image_file, group));
      groups_.push_back(group);
    }
    return Ok();
  }

  static Way WayOf(const char* name, const PayloadRecord& payload) {
    return {name, payload.length, payload.arena_bytes, payload.instructions, true};
  }

  // A delta that the release does not have: made for its figures, not kept.
  Status MakeMissing(const std::string& base_path, const std::string& target_path, Group& group) {
    Progress progress(options_, SystemClock());
    PayloadRequest request;
    request.base_path = base_path;
    request.target_path = target_path;
    request.profile = config_.profile;
    request.progress = [&](const delta::DiffProgress& at) {
      progress.Show({"from " + group.base, at.stage, at.done_bytes, at.total_bytes});
      return true;
    };
    const Result<MadePayload> made = MakePayload(request);
    if (!made.ok() && made.error().code == ErrorCode::kLimit) return Ok();  // none fits the profile
    if (!made.ok()) return made.error();
    const delta::PayloadHeader& header = made->facts.header;
    group.delta = {"delta", made->bytes.size(), header.arena_bytes, header.instruction_estimate,
                   header.arena_bytes <= config_.profile->max_arena_bytes};
    return Ok();
  }

  const GlobalOptions& options_;
  const Arguments& arguments_;
  const ReleaseConfig& config_;
  bool hub_failed_ = false;
  ReleaseRecord target_;
  std::vector<Group> groups_;
};

double DownloadSeconds(const Arguments& arguments, const Way& way) {
  return static_cast<double>(way.bytes) * 8 / (arguments.link_kbit * 1000);
}

// Policies: what is offered first, and what when that is not possible. Full is always possible.
struct Policy {
  const char* name;
  bool delta;
  bool chunks;
};
constexpr Policy kPolicies[] = {{"full only", false, false},
                                {"chunks, else full", false, true},
                                {"delta, else full", true, false},
                                {"delta, else chunks, else full", true, true}};

const Way& ChosenWay(const Group& group, const Policy& policy) {
  if (policy.delta && group.delta.possible && group.delta.bytes < group.full.bytes) return group.delta;
  if (policy.chunks && group.chunks.possible && group.chunks.bytes < group.full.bytes) return group.chunks;
  return group.full;
}

json::Value WayJson(const Arguments& arguments, const Way& way) {
  json::Value value = json::Value::Object();
  value.Set("way", way.name).Set("bytes", way.bytes).Set("arena_bytes", way.arena_bytes);
  value.Set("download_seconds", DownloadSeconds(arguments, way));
  if (way.instructions != 0) value.Set("apply_seconds_mt7688", ApplySeconds(way.instructions));
  return value;
}

uint64_t TotalBytes(const std::vector<Group>& groups, const Policy& policy) {
  uint64_t total = 0;
  for (const Group& group : groups) total += group.terminals * ChosenWay(group, policy).bytes;
  return total;
}

void PrintJson(const Arguments& arguments, const Simulation& simulation) {
  json::Value list = json::Value::Array();
  for (const Group& group : simulation.groups()) {
    json::Value ways = json::Value::Array();
    for (const Way* way : {&group.delta, &group.chunks, &group.full}) {
      if (way->possible) ways.Append(WayJson(arguments, *way));
    }
    json::Value item = json::Value::Object();
    item.Set("base", group.base).Set("component", group.component).Set("terminals", group.terminals);
    item.Set("ways", std::move(ways));
    list.Append(std::move(item));
  }
  json::Value policies = json::Value::Array();
  for (const Policy& policy : kPolicies) {
    const uint64_t bytes = TotalBytes(simulation.groups(), policy);
    json::Value item = json::Value::Object();
    item.Set("policy", policy.name).Set("bytes", bytes);
    item.Set("price", static_cast<double>(bytes) / (1 << 20) * arguments.price_per_mib);
    policies.Append(std::move(item));
  }
  json::Value event = json::Value::Object();
  event.Set("event", "simulate.done").Set("version", simulation.target().version);
  event.Set("link_kbit", arguments.link_kbit).Set("groups", std::move(list)).Set("policies", std::move(policies));
  std::printf("%s\n", json::Write(event).c_str());
}

void PrintText(const Arguments& arguments, const Simulation& simulation) {
  std::printf(" base        component  terminals  way     bytes each  all         memory     download   apply\n");
  for (const Group& group : simulation.groups()) {
    for (const Way* way : {&group.delta, &group.chunks, &group.full}) {
      if (!way->possible) continue;
      char apply[32] = "--";
      if (way->instructions != 0) std::snprintf(apply, sizeof apply, "%.0f s", ApplySeconds(way->instructions));
      std::printf(" %-11s %-10s %-10llu %-7s %-11s %-11s %-10s %-10.0f %s\n", group.base.c_str(),
                  group.component.c_str(), static_cast<unsigned long long>(group.terminals), way->name,
                  FormatSize(way->bytes).c_str(), FormatSize(way->bytes * group.terminals).c_str(),
                  FormatSize(way->arena_bytes).c_str(), DownloadSeconds(arguments, *way), apply);
    }
  }
  std::printf("\n policy                           all bytes   of full\n");
  const uint64_t full = TotalBytes(simulation.groups(), kPolicies[0]);
  for (const Policy& policy : kPolicies) {
    const uint64_t bytes = TotalBytes(simulation.groups(), policy);
    std::printf(" %-32s %-11s %5.1f %%", policy.name, FormatSize(bytes).c_str(),
                full == 0 ? 0.0 : 100.0 * static_cast<double>(bytes) / static_cast<double>(full));
    if (arguments.price_per_mib > 0)
      std::printf("   %.2f", static_cast<double>(bytes) / (1 << 20) * arguments.price_per_mib);
    std::printf("\n");
  }
  std::printf(" download in seconds at %.0f kbit/s; apply on an mt7688 (2.5 cycles per instruction assumed)\n",
              arguments.link_kbit);
}

int Simulate(const GlobalOptions& options, Arguments arguments) {
  ConfigFault fault;
  const Result<ReleaseConfig> config = LoadReleaseConfig(arguments.config, fault);
  if (!config.ok()) return Fail(options, kExitUsage, kBadConfig, fault.where + " " + fault.what, &config.error());
  if (!arguments.hub.access.url.empty()) {
    const Result<std::string> token = ReadHubToken(arguments.hub.token_file);
    if (!token.ok())
      return Fail(options, kExitUsage, kBadArgument, "--token-file " + arguments.hub.token_file, &token.error());
    arguments.hub.access.token = *token;
  }
  Simulation simulation(options, arguments, *config);
  std::string context = config->out_folder;
  if (const Status done = simulation.Run(context); !done.ok()) {
    if (simulation.hub_failed()) {
      const HubVerdict verdict = JudgeHubError(done.error(), kHubFailed);
      return Fail(options, verdict.exit_code, *verdict.fault, context, &done.error());
    }
    const ErrorCode code = done.error().code;
    if (code == ErrorCode::kInvalid) return Fail(options, kExitUsage, kBadArgument, context, &done.error());
    return Fail(options, kExitFailed, code == ErrorCode::kNotFound ? kNoRelease : kPayloadNotMade, context,
                &done.error());
  }
  options.json ? PrintJson(arguments, simulation) : PrintText(arguments, simulation);
  return kExitOk;
}

}  // namespace

void AddSimulateCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      program.add_subcommand("simulate", "What a release would cost a fleet: bytes, time and memory per way");
  command->add_option("--config", arguments->config, "Configuration")->capture_default_str();
  command->add_option("--version", arguments->version, "Release to simulate (default: the newest)");
  CLI::Option* fleet = command->add_option("--fleet", arguments->fleet,
                                           "What runs: 1.4.2=3211,1.4.1=877 (default: one of each release)");
  AddHubOptions(*command, "--server", "Hub to ask what runs instead", arguments->hub)->excludes(fleet);
  command->add_option("--link-kbit", arguments->link_kbit, "Speed of a terminal's link")
      ->check(CLI::Range(1.0, 1e6))
      ->capture_default_str();
  command->add_option("--price-per-mib", arguments->price_per_mib, "Price of a MiB, in any currency");
  command->footer("Deltas that the release lacks are made for their figures and not kept.");
  command->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return Simulate(options, *arguments); }; });
}

}  // namespace till::packer
