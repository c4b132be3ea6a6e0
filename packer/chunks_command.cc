// tillpack chunks: the tier for terminals whose base nobody knows.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "core/output_file.h"
#include "core/text.h"
#include "packer/chunk_tier.h"
#include "packer/commands.h"
#include "packer/faults.h"

namespace till::packer {
namespace {

struct Arguments {
  std::string to;
  std::string from;
  std::string object;
  std::string out;
  unsigned average_log2 = kChunkAverageLog2;
};

int Make(const GlobalOptions& options, const Arguments& arguments) {
  Result<OutputFile> out = OutputFile::Open(arguments.out);
  if (!out.ok()) return Fail(options, kExitFailed, kOutputUnwritable, arguments.out, &out.error());
  PayloadRecord record;
  const Status made = MakeChunkObject(arguments.to, *out, arguments.average_log2, record);
  if (!made.ok()) return Fail(options, kExitFailed, kPayloadNotMade, arguments.to, &made.error());
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", "chunks.made").Set("file", arguments.out).Set("bytes", record.length);
    event.Set("index_bytes", record.index_length).Set("arena_bytes", record.arena_bytes);
    std::printf("%s\n", json::Write(event).c_str());
    return kExitOk;
  }
  std::printf(" ok   %s: %s, of them %s index, assembled in %s\n", Printable(arguments.out).c_str(),
              FormatSize(record.length).c_str(), FormatSize(record.index_length).c_str(),
              FormatSize(record.arena_bytes).c_str());
  return kExitOk;
}

int Apply(const GlobalOptions& options, const Arguments& arguments) {
  for (const std::string& path : {arguments.object, arguments.from}) {
    const Result<FileSource> file = path.empty() ? FileSource(UniqueFd(), 0) : FileSource::Open(path);
    if (!file.ok()) return Fail(options, kExitFailed, kInputUnreadable, path, &file.error());
  }
  std::optional<OutputFile> out;
  if (!arguments.out.empty()) {
    Result<OutputFile> opened = OutputFile::Open(arguments.out);
    if (!opened.ok()) return Fail(options, kExitFailed, kOutputUnwritable, arguments.out, &opened.error());
    out.emplace(std::move(opened).value());
  }
  // What was written counts as held, where it can be read again: not behind a pipe or a device.
  std::optional<FileSource> written;
  if (out) {
    if (Result<FileSource> beside = out->ReadBack(); beside.ok()) written.emplace(std::move(beside).value());
  }
  const Result<ChunkCost> cost =
      PlayChunks(arguments.from, arguments.object, {out ? &*out : nullptr, written ? &*written : nullptr});
  if (!cost.ok()) {
    const bool broken = cost.error().code == ErrorCode::kCorrupt || cost.error().code == ErrorCode::kUnsupported;
    return Fail(options, broken ? kExitVerification : kExitFailed, broken ? kNotAPayload : kPayloadNotMade,
                arguments.object, &cost.error());
  }
  if (const Status finished = out ? out->Finish() : Ok(); !finished.ok())
    return Fail(options, kExitFailed, kOutputUnwritable, arguments.out, &finished.error());
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", "chunks.applied").Set("image_bytes", cost->image_bytes).Set("index_bytes", cost->index_bytes);
    event.Set("missing_bytes", cost->missing_bytes).Set("ranges", cost->ranges);
    event.Set("total_bytes", cost->total_bytes()).Set("arena_bytes", cost->arena_bytes);
    std::printf("%s\n", json::Write(event).c_str());
    return kExitOk;
  }
  std::printf(" ok   %s of %s travel: index %s, %s in %llu ranges; memory %s\n",
              FormatSize(cost->total_bytes()).c_str(), FormatSize(cost->image_bytes).c_str(),
              FormatSize(cost->index_bytes).c_str(), FormatSize(cost->missing_bytes).c_str(),
              static_cast<unsigned long long>(cost->ranges), FormatSize(cost->arena_bytes).c_str());
  return kExitOk;
}

}  // namespace

void AddChunksCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  CLI::App* chunks = program.add_subcommand("chunks", "The tier for terminals whose base nobody knows");
  chunks->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  CLI::App* make = chunks->add_subcommand("make", "Write the chunk object of an image");
  make->add_option("--to", arguments->to, "The image")->required();
  make->add_option("-o,--out", arguments->out, "Object to write")->required();
  make->add_option("--average-log2", arguments->average_log2, "Average chunk: 2^N bytes")
      ->check(CLI::Range(10, 16))
      ->capture_default_str();
  make->callback([&options, &run, arguments] { run = [&options, arguments] { return Make(options, *arguments); }; });
  CLI::App* apply = chunks->add_subcommand("apply", "Rebuild the image from any base and the chunks it lacks");
  apply->add_option("--from", arguments->from, "What the terminal holds (default: nothing)");
  apply->add_option("--chunks", arguments->object, "Chunk object")->required();
  apply->add_option("-o,--out", arguments->out, "Image to write (default: only say what would travel)");
  apply->callback([&options, &run, arguments] { run = [&options, arguments] { return Apply(options, *arguments); }; });
}

}  // namespace till::packer
