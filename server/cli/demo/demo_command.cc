#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/clock.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "server/cli/commands.h"
#include "server/cli/demo/story.h"
#include "server/cli/faults.h"

namespace till::cli {
namespace {

using demo::DemoOptions;
using demo::Stage;
using demo::Story;
using demo::StoryOutcome;

// The same delta through the applier built for the terminal's processor; answers the hash of what it made, "" when
// there is no such build.
Result<std::string> RebuildOnMips(const Stage& stage, const DemoOptions& options) {
  if (options.mipsel_build.empty()) return std::string();
  const std::string out = stage.folder() + "/mipsel.image";
  const std::string prefix = ToHex(stage.old_image().sha256).substr(0, 16);
  demo::Command command;
  command.argv = {"/usr/bin/qemu-mipsel-static",
                  "-cpu",
                  "34Kf",
                  "-L",
                  options.mipsel_build + "/../mipsel-sysroot",
                  options.mipsel_build + "/bin/till-apply",
                  "--base",
                  stage.old_image().path,
                  "--payload",
                  stage.ReleaseFolder(stage.new_image()) + "/rootfs.from-" + prefix + ".till",
                  "--out",
                  out};
  command.stdout_file = stage.folder() + "/mipsel.out";
  command.stderr_file = stage.folder() + "/mipsel.log";
  TILL_TRY(demo::RunToEnd(command));
  FileSource made = TILL_TRY(FileSource::Open(out));
  return ToHex(TILL_TRY(crypto::Sha256OfSource(made)));
}

std::string Percent(uint64_t part, uint64_t whole) {
  char text[24];
  std::snprintf(text, sizeof text, "%.1f %%",
                whole == 0 ? 0.0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole));
  return text;
}

void PrintSummary(const Stage& stage, const StoryOutcome& outcome, size_t terminals, const std::string& mips_hash) {
  std::printf("\n %zu devices, %u confirmed, %u rolled back (%s)\n", terminals, outcome.confirmed, outcome.rolled_back,
              Printable(outcome.rollback_reason).c_str());
  std::printf(" %s moved instead of %s in full images (%s)\n", FormatSize(outcome.ledger.sent_bytes).c_str(),
              FormatSize(outcome.full_image_bytes).c_str(),
              Percent(outcome.ledger.sent_bytes, outcome.full_image_bytes).c_str());
  std::printf(" served   ");
  uint64_t served = 0;
  for (const auto& [server, bytes] : outcome.sent_by_server) {
    std::printf("%s%s %llu", served == 0 && &server == &outcome.sent_by_server[0].first ? "" : " + ", server.c_str(),
                static_cast<unsigned long long>(bytes));
    served += bytes;
  }
  std::printf(" = %llu bytes\n", static_cast<unsigned long long>(served));
  const unsigned long long received = outcome.received_bytes;
  const unsigned long long repeated = outcome.ledger.repeated_bytes();
  std::printf(" received %llu + repeated %llu = %llu bytes: %s\n", received, repeated, received + repeated,
              served == received + repeated ? "the sums agree" : "THE SUMS DO NOT AGREE");
  std::printf(" edges fetched %s from the hub; %u terminals of edge-2 went on from edge-1\n",
              FormatSize(outcome.edge_filled_bytes).c_str(), outcome.failed_over);
  std::printf(" one terminal lost power at byte %llu of its download and resumed\n",
              static_cast<unsigned long long>(outcome.power_cut_at_bytes));
  std::printf(" peak memory of a terminal while applying: %s\n",
              FormatSize(outcome.applier_peak_rss_kib * 1024).c_str());
  const std::string wanted = ToHex(stage.new_image().sha256);
  std::printf(" image %s sha256:%s, byte for byte in %u slots\n", stage.new_image().version.c_str(), wanted.c_str(),
              outcome.confirmed);
  if (!mips_hash.empty()) {
    std::printf(" rebuilt by the mipsel applier under qemu: sha256:%s: %s\n", mips_hash.c_str(),
                mips_hash == wanted ? "the same" : "DIFFERENT");
  }
}

void PrintSummaryJson(const Stage& stage, const StoryOutcome& outcome, size_t terminals, const std::string& mips_hash) {
  json::Value servers = json::Value::Object();
  for (const auto& [server, bytes] : outcome.sent_by_server) servers.Set(server, bytes);
  json::Value faults = json::Value::Array();
  for (const std::string& fault : outcome.faults) faults.Append(fault);
  json::Value summary = json::Value::Object();
  summary.Set("event", "demo.done")
      .Set("devices", static_cast<uint64_t>(terminals))
      .Set("confirmed", outcome.confirmed);
  summary.Set("rolled_back", outcome.rolled_back)
      .Set("rollback_reason", outcome.rollback_reason)
      .Set("served_bytes", servers);
  summary.Set("received_bytes", outcome.received_bytes).Set("repeated_bytes", outcome.ledger.repeated_bytes());
  summary.Set("full_image_bytes", outcome.full_image_bytes).Set("edge_filled_bytes", outcome.edge_filled_bytes);
  summary.Set("failed_over", outcome.failed_over).Set("power_cut_at_bytes", outcome.power_cut_at_bytes);
  summary.Set("applier_peak_rss_kib", outcome.applier_peak_rss_kib)
      .Set("image_sha256", ToHex(stage.new_image().sha256));
  summary.Set("mipsel_sha256", mips_hash).Set("faults", faults);
  std::printf("%s\n", json::Write(summary).c_str());
}

// Until Ctrl-C or SIGTERM. `out`: where people read; the other one may be a program's.
void KeepRunning(Stage& stage, FILE* out) {
  std::fprintf(out, "\n still running (--keep); try, in another terminal:\n   export TILL_URL=%s TILL_TOKEN=%s\n",
               stage.hub_url().c_str(), stage.admin_token().c_str());
  const std::string rolled_back = stage.terminals().back()->spec().id;
  for (const std::string& words : {std::string("device ls"), "device get " + rolled_back, std::string("rollout ls"),
                                   std::string("edge ls"), std::string("doctor")}) {
    std::fprintf(out, "   %s/tillctl %s\n", stage.bin_folder().c_str(), words.c_str());
  }
  std::fprintf(out, " Ctrl-C ends it. Everything lies in %s\n", stage.folder().c_str());
  std::fflush(nullptr);
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGINT);
  sigaddset(&wanted, SIGTERM);
  int signal = 0;
  sigwait(&wanted, &signal);
}

int RunDemo(const DemoOptions& options, bool json) {
  const int64_t started_ms = SystemClock().MonotonicMs();
  const demo::Narrate narrate = [&](const std::string& line) {
    const int64_t seconds = (SystemClock().MonotonicMs() - started_ms) / 1000;
    std::fprintf(json ? stderr : stdout, "%4lld s  %s\n", static_cast<long long>(seconds), Printable(line).c_str());
    std::fflush(json ? stderr : stdout);
  };
  // Threads of the terminals start later and inherit the mask: only --keep waits for these signals.
  if (options.keep) {
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, nullptr);
  }
  std::string trouble;
  Result<std::unique_ptr<Stage>> stage = Stage::Build(options, narrate, trouble);
  if (!stage.ok()) return Fail(kDemoSetup, trouble, &stage.error());
  const size_t terminals = (*stage)->terminals().size();
  Story story(**stage, narrate);
  if (const Status played = story.Play(); !played.ok()) {
    return Fail(kDemoStory, (*stage)->hub().error_context() + ", see " + (*stage)->folder(), &played.error());
  }
  const Result<StoryOutcome> outcome = story.Conclude();
  if (!outcome.ok()) return Fail(kDemoStory, (*stage)->folder(), &outcome.error());
  const Result<std::string> mips_hash = RebuildOnMips(**stage, options);
  if (!mips_hash.ok())
    return Fail(kDemoStory, "the mipsel applier, see " + (*stage)->folder() + "/mipsel.log", &mips_hash.error());
  if (json) {
    PrintSummaryJson(**stage, *outcome, terminals, *mips_hash);
  } else {
    PrintSummary(**stage, *outcome, terminals, *mips_hash);
  }
  for (const std::string& fault : outcome->faults) Fail(kDemoStory, fault);
  if (options.keep) KeepRunning(**stage, json ? stderr : stdout);
  return outcome->faults.empty() && (mips_hash->empty() || *mips_hash == ToHex((*stage)->new_image().sha256)) ? 0 : 1;
}

}  // namespace

void AddDemoCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<DemoOptions>();
  auto images = std::make_shared<std::vector<std::string>>();
  CLI::App* command =
      program.add_subcommand("demo", "A whole update on this machine: hub, two edges, 20 terminals, real firmware");
  command->add_option("--firmware", arguments->firmware_folder, "Folder made by tools/make_firmware.sh");
  command->add_option("--from", *images, "OLD NEW: two images of your own instead")
      ->expected(2)
      ->check(CLI::ExistingFile);
  command->add_option("--terminals", arguments->terminals, "How many")
      ->check(CLI::Range(8, 200))
      ->capture_default_str();
  command->add_option("--folder", arguments->folder, "Where everything is kept (default: a new one under $TMPDIR)");
  command->add_option("--mipsel-build", arguments->mipsel_build,
                      "Build tree of the mipsel preset: its applier rebuilds the image too");
  command->add_flag("--keep", arguments->keep, "Leave hub, edges and terminals running until Ctrl-C");
  command->callback([&options, &run, arguments, images] {
    if (images->size() == 2) {
      arguments->from = (*images)[0];
      arguments->to = (*images)[1];
    }
    run = [&options, arguments] {
      if (arguments->firmware_folder.empty() && arguments->from.empty()) {
        return Fail(kDemoSetup, "neither --firmware nor --from was given"), 2;
      }
      return RunDemo(*arguments, options.json || options.output == "json");
    };
  });
}

}  // namespace till::cli
