// tillpack worker: makes the deltas that terminals wait for.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <thread>

#include "core/clock.h"
#include "core/text.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/hub_command.h"
#include "packer/key_ring.h"
#include "packer/worker.h"

namespace till::packer {
namespace {

struct Arguments {
  HubArguments hub;
  std::string keys = "keys";
  std::string trusted_root;
  std::string work = "worker";
  std::string profile = "mt7688-64m";
  unsigned jobs = 0;
  unsigned every_s = 60;
  bool once = false;
};

void Tell(const GlobalOptions& options, const WorkerOutcome& outcome) {
  const WorkerJob& job = outcome.job;
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", outcome.refused.empty() ? "worker.published" : "worker.refused");
    event.Set("component", job.component).Set("version", job.version).Set("base", job.base).Set("target", job.target);
    event.Set("terminals", job.terminals).Set("bytes", outcome.bytes).Set("full_bytes", outcome.full_bytes);
    if (!outcome.refused.empty()) event.Set("why", outcome.refused);
    std::printf("%s\n", json::Write(event).c_str());
  } else {
    std::printf(" %s %s %s from %.12s: %s for %llu terminals%s%s\n", outcome.refused.empty() ? "sent   " : "skipped",
                Printable(job.component).c_str(), Printable(job.version).c_str(), job.base.c_str(),
                FormatSize(outcome.bytes).c_str(), static_cast<unsigned long long>(job.terminals),
                outcome.refused.empty() ? "" : ", ", outcome.refused.c_str());
  }
  std::fflush(stdout);
}

int Loop(const GlobalOptions& options, const Arguments& arguments, Worker& worker) {
  for (;;) {
    const Result<std::optional<WorkerOutcome>> done = worker.DoOne();
    if (!done.ok()) {
      HubVerdict verdict = JudgeHubError(done.error(), kWorkerFailed);
      if (done.error().code == ErrorCode::kInvalid) verdict.exit_code = kExitSigning;
      const int said = Fail(options, verdict.exit_code, *verdict.fault, worker.error_context(), &done.error());
      if (arguments.once || said != kExitTryAgain) return said;
    } else if (*done) {
      Tell(options, **done);
      continue;
    } else if (arguments.once) {
      if (!options.json) std::printf(" nothing is missing\n");
      return kExitOk;
    }
    SystemClock().SleepMs(int64_t{arguments.every_s} * 1000);
  }
}

int Work(const GlobalOptions& options, Arguments arguments) {
  const Result<std::string> token = ReadHubToken(arguments.hub.token_file);
  if (!token.ok())
    return Fail(options, kExitUsage, kBadArgument, "--token-file " + arguments.hub.token_file, &token.error());
  arguments.hub.access.token = *token;
  std::string about;
  const Result<tuf::RoleSet> keys = LoadKeys(arguments.keys, kRolesOfDeltas, about);
  if (!keys.ok()) return Fail(options, kExitSigning, kKeysUnusable, about, &keys.error());
  WorkerOptions work;
  work.hub = arguments.hub.access;
  work.work_folder = arguments.work;
  work.trusted_root = arguments.trusted_root;
  work.keys = &*keys;
  work.profile = delta::FindProfile(arguments.profile);
  if (work.profile == nullptr) return Fail(options, kExitUsage, kBadArgument, UnknownProfile(arguments.profile));
  work.threads = arguments.jobs > 0 ? arguments.jobs : std::max(1U, std::thread::hardware_concurrency());
  work.now_unix_s = [] { return SystemClock().UnixMs() / 1000; };
  Worker worker(std::move(work));
  return Loop(options, arguments, worker);
}

}  // namespace

void AddWorkerCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      program.add_subcommand("worker", "Make, sign and publish the deltas that terminals of a hub wait for");
  AddHubOptions(*command, "--hub", "The hub's URL", arguments->hub)->required();
  command->add_option("--keys", arguments->keys, "Folder with the keys of deltas, snapshot and timestamp")
      ->capture_default_str();
  command->add_option("--trusted-root", arguments->trusted_root, "The root the terminals hold: out/tuf/1.root.json")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--work", arguments->work, "Folder for images and metadata")->capture_default_str();
  command->add_option("--profile", arguments->profile, "What the terminals can spare")->capture_default_str();
  command->add_option("-j,--jobs", arguments->jobs, "Threads (default: one per processor)")->check(CLI::Range(1, 256));
  command->add_option("--every", arguments->every_s, "Seconds between questions when nothing is missing")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  command->add_flag("--once", arguments->once, "End when nothing is missing");
  command->footer("Root and targets keys are not needed and do not belong on this machine.");
  command->callback([&options, &run, arguments] { run = [&options, arguments] { return Work(options, *arguments); }; });
}

}  // namespace till::packer
