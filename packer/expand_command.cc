// tillpack expand: an image with every compressed block replaced by its plain bytes.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/json/json.h"
#include "core/output_file.h"
#include "core/text.h"
#include "delta/container/expanded_image.h"
#include "packer/commands.h"
#include "packer/faults.h"

namespace till::packer {
namespace {

constexpr uint64_t kMaxInputBytes = uint64_t{2} << 30;

struct Arguments {
  std::string image;
  std::string out;
};

int Expand(const GlobalOptions& options, const Arguments& arguments) {
  const Result<Bytes> bytes = ReadBinaryFile(arguments.image, kMaxInputBytes);
  if (!bytes.ok()) return Fail(options, kExitFailed, kInputUnreadable, arguments.image, &bytes.error());
  delta::ExpandedImage image = delta::ExpandedImage::Open(*bytes);
  Result<OutputFile> out = OutputFile::Open(arguments.out);
  if (!out.ok()) return Fail(options, kExitFailed, kOutputUnwritable, arguments.out, &out.error());
  const Result<uint64_t> expanded_bytes = delta::WriteExpanded(image, *out);
  const Status finished = expanded_bytes.ok() ? out->Finish() : Status(expanded_bytes.error());
  if (!finished.ok()) return Fail(options, kExitFailed, kOutputUnwritable, arguments.out, &finished.error());
  if (options.json) {
    json::Value containers = json::Value::Array();
    for (const std::string& name : image.containers()) containers.Append(name);
    json::Value event = json::Value::Object();
    event.Set("event", "expand.done").Set("file", arguments.out).Set("bytes", *expanded_bytes);
    event.Set("blocks", uint64_t{image.blocks().size()}).Set("files", uint64_t{image.files().size()});
    event.Set("containers", std::move(containers));
    std::printf("%s\n", json::Write(event).c_str());
    return kExitOk;
  }
  for (const std::string& name : image.containers()) std::printf("      %s\n", Printable(name).c_str());
  std::printf(" ok   %s: %s, %zu blocks opened, %zu files\n", Printable(arguments.out).c_str(),
              FormatSize(*expanded_bytes).c_str(), image.blocks().size(), image.files().size());
  return kExitOk;
}

}  // namespace

void AddExpandCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      program.add_subcommand("expand", "Write an image with every compressed block replaced by its plain bytes");
  command->add_option("image", arguments->image, "squashfs, FIT, uImage; else copied as it is")->required();
  command->add_option("-o,--out", arguments->out, "File to write")->required();
  command->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return Expand(options, *arguments); }; });
}

}  // namespace till::packer
