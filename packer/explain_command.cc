// tillpack explain: which files a delta's bytes go to, and why.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "core/output_file.h"
#include "core/text.h"
#include "delta/apply/payload_file.h"
#include "delta/chunks/chunk_file.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/payload_cost.h"
#include "packer/payload_maker.h"
#include "packer/release_record.h"

namespace till::packer {
namespace {

struct Arguments {
  std::string payload;
  std::string from;
  std::string to;
  std::string html;
  size_t top = 20;
};

// In a release folder the images are known: that of the release, and that of the delta's base version.
void FindImages(Arguments& arguments) {
  const std::filesystem::path path = std::filesystem::absolute(arguments.payload);
  const Result<ReleaseRecord> release = ReadReleaseRecord(path.parent_path().string());
  if (!release.ok()) return;
  for (const ComponentRecord& component : release->components) {
    for (const PayloadRecord& payload : component.payloads) {
      if (payload.file != path.filename().string() || !payload.is_delta()) continue;
      const std::filesystem::path out = path.parent_path().parent_path();
      if (arguments.to.empty()) arguments.to = (path.parent_path() / component.image_file).string();
      if (arguments.from.empty()) arguments.from = (out / payload.base_version / component.image_file).string();
    }
  }
}

void PrintJson(const Arguments& arguments, const PayloadCost& cost) {
  json::Value files = json::Value::Array();
  for (size_t i = 0; i < cost.files.size() && i < arguments.top; ++i) {
    const FileCost& file = cost.files[i];
    json::Value item = json::Value::Object();
    item.Set("path", file.path).Set("cause", CauseName(file.cause)).Set("bytes", file.bytes);
    item.Set("changed_bytes", file.changed_bytes);
    files.Append(std::move(item));
  }
  json::Value causes = json::Value::Object();
  for (size_t cause = 0; cause < kCauseCount; ++cause) {
    uint64_t bytes = 0;
    for (const FileCost& file : cost.files) bytes += static_cast<size_t>(file.cause) == cause ? file.bytes : 0;
    causes.Set(CauseName(static_cast<Cause>(cause)), bytes);
  }
  json::Value event = json::Value::Object();
  event.Set("event", "explain.done").Set("payload", arguments.payload).Set("bytes", cost.payload_bytes);
  event.Set("causes", std::move(causes)).Set("files", std::move(files));
  std::printf("%s\n", json::Write(event).c_str());
}

void PrintText(const Arguments& arguments, const PayloadCost& cost) {
  std::printf(" bytes       share    why                    file\n");
  uint64_t rest = 0;
  for (size_t i = 0; i < cost.files.size(); ++i) {
    const FileCost& file = cost.files[i];
    if (i >= arguments.top) {
      rest += file.bytes;
      continue;
    }
    std::printf(" %-11s %5.1f %%  %-22s %s\n", FormatSize(file.bytes).c_str(),
                100.0 * static_cast<double>(file.bytes) / static_cast<double>(cost.payload_bytes),
                CauseName(file.cause), Printable(file.path).c_str());
  }
  if (rest > 0) std::printf(" %-11s          and others\n", FormatSize(rest).c_str());
  std::printf(" %-11s in all\n", FormatSize(cost.payload_bytes).c_str());
}

int Explain(const GlobalOptions& options, Arguments arguments) {
  Result<FileSource> object = FileSource::Open(arguments.payload);
  if (object.ok() && delta::OpenChunkFile(*object).ok()) {
    return Fail(options, kExitUsage, kBadArgument,
                arguments.payload + " holds chunks, for any base: `tillpack chunks apply --from OLD --chunks " +
                    arguments.payload + "` says what would travel");
  }
  const Result<delta::PayloadFile> payload =
      object.ok() ? delta::OpenPayload(*object) : Result<delta::PayloadFile>(object.error());
  if (payload.ok() && payload->header.kind == delta::PayloadKind::kFull) {
    return Fail(options, kExitUsage, kBadArgument,
                arguments.payload + " is a full payload: it comes from no base, so all of it is new; give a delta");
  }
  FindImages(arguments);
  if (arguments.from.empty() || arguments.to.empty())
    return Fail(options, kExitUsage, kBadArgument,
                "--from and --to are wanted: " + arguments.payload + " stands in no release folder");
  Bytes files[3];
  const std::string* paths[] = {&arguments.payload, &arguments.from, &arguments.to};
  for (size_t i = 0; i < 3; ++i) {
    Result<Bytes> read = ReadBinaryFile(*paths[i], kMaxImageFileBytes);
    if (!read.ok()) return Fail(options, kExitFailed, kInputUnreadable, *paths[i], &read.error());
    files[i] = std::move(*read);
  }
  const Result<PayloadCost> cost = CostOf(files[0], files[1], files[2]);
  if (!cost.ok()) return Fail(options, kExitVerification, kNotAPayload, arguments.payload, &cost.error());
  if (!arguments.html.empty()) {
    const Status written = WriteOutput(arguments.html, AsBytes(CostPage(*cost, arguments.payload)));
    if (!written.ok()) return Fail(options, kExitFailed, kOutputUnwritable, arguments.html, &written.error());
  }
  options.json ? PrintJson(arguments, *cost) : PrintText(arguments, *cost);
  return kExitOk;
}

}  // namespace

void AddExplainCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = program.add_subcommand("explain", "Show which files a delta's bytes go to, and why");
  command->add_option("payload", arguments->payload, "Delta")->required()->check(CLI::ExistingFile);
  command->add_option("--from", arguments->from, "Old image (default: found in the release folder)");
  command->add_option("--to", arguments->to, "New image (default: found in the release folder)");
  command->add_option("--top", arguments->top, "How many files")->check(CLI::Range(1, 100000))->capture_default_str();
  command->add_option("--html", arguments->html, "Also write a treemap: one file, no network");
  command->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return Explain(options, *arguments); }; });
}

}  // namespace till::packer
