// tillpack factory: what the factory writes into a slot, so that a terminal's first update can be a delta already.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/output_file.h"
#include "core/text.h"
#include "delta/format/slot_table.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/release_record.h"

namespace till::packer {
namespace {

struct Arguments {
  std::string folder;
  std::string component;
  std::string slot_size;
  std::string erase_size = "64KiB";
  std::string out;
};

struct Shape {
  uint64_t slot_bytes = 0;
  uint64_t erase_bytes = 0;
};

constexpr size_t kPieceBytes = 64 << 10;

Status Fill(Sink& sink, uint64_t count) {
  const Bytes erased(kPieceBytes, std::byte{0xff});
  while (count > 0) {
    const uint64_t part = std::min<uint64_t>(count, erased.size());
    TILL_TRY(sink.Write(ByteView(erased).first(part)));
    count -= part;
  }
  return Ok();
}

std::string EntryText(const tuf::TargetEntry& entry) {
  json::Value value = json::Value::Object();
  value.Set("path", entry.path).Set("length", entry.length).Set("sha256", ToHex(entry.sha256));
  value.Set("custom", entry.custom);
  return json::Write(value);
}

// Image, erased flash, table, erased flash: exactly the slot.
Status WriteSlot(Source& image, const delta::SlotTable& table, const Shape& shape, const std::string& path) {
  const Bytes encoded = table.Encode();
  const uint64_t table_at = shape.slot_bytes - shape.erase_bytes;
  if (encoded.size() > shape.erase_bytes)
    return Error{ErrorCode::kLimit, "the block hashes do not fit in an erase block; they take", encoded.size()};
  if (table.image_bytes > table_at)
    return Error{ErrorCode::kLimit, "the image reaches into the slot's last erase block; it may have", table_at};
  OutputFile sink = TILL_TRY(OutputFile::Open(path));
  TILL_TRY(Copy(image, sink));
  TILL_TRY(Fill(sink, table_at - table.image_bytes));
  TILL_TRY(sink.Write(encoded));
  TILL_TRY(Fill(sink, shape.erase_bytes - encoded.size()));
  return sink.Finish();
}

const tuf::TargetEntry* FindEntry(const std::vector<tuf::TargetEntry>& entries, const ComponentRecord& component) {
  for (const tuf::TargetEntry& entry : entries) {
    if (entry.role == "targets" && entry.path.ends_with("/" + component.component)) return &entry;
  }
  return nullptr;
}

int Make(const GlobalOptions& options, const Arguments& arguments, const ReleaseRecord& release,
         const ComponentRecord& component) {
  Shape shape;
  const Result<uint64_t> slot = ParseSize(arguments.slot_size);
  const Result<uint64_t> erase = ParseSize(arguments.erase_size);
  const bool sound = slot.ok() && erase.ok() && *erase >= 4096 && *slot % *erase == 0 && *slot > *erase;
  if (!sound) {
    return Fail(options, kExitUsage, kBadArgument,
                "--slot-size " + arguments.slot_size + " must be a multiple of --erase-size " + arguments.erase_size);
  }
  shape.slot_bytes = *slot;
  shape.erase_bytes = *erase;
  const std::string image_path = arguments.folder + "/" + component.image_file;
  Result<FileSource> image = FileSource::Open(image_path);
  if (!image.ok()) return Fail(options, kExitFailed, kInputUnreadable, image_path, &image.error());
  Result<delta::SlotTable> table = delta::SlotTable::Of(*image, image->size());
  if (!table.ok()) return Fail(options, kExitFailed, kInputUnreadable, image_path, &table.error());
  if (table->image_sha256 != component.image_sha256)
    return Fail(options, kExitVerification, kVerifyFailed, image_path + ": its bytes are not the signed ones");
  const std::vector<tuf::TargetEntry> entries = TargetEntries(release);
  if (const tuf::TargetEntry* entry = FindEntry(entries, component)) table->entry = EntryText(*entry);
  const Status written = WriteSlot(*image, *table, shape, arguments.out);
  if (!written.ok()) {
    const bool too_small = written.error().code == ErrorCode::kLimit && !IsDiskFull(written.error());
    return Fail(options, too_small ? kExitCeiling : kExitFailed, kFactoryFailed, arguments.out, &written.error());
  }
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", "factory.done").Set("file", arguments.out).Set("slot_bytes", shape.slot_bytes);
    event.Set("image_bytes", table->image_bytes).Set("image_sha256", ToHex(table->image_sha256));
    event.Set("table_offset", shape.slot_bytes - shape.erase_bytes).Set("blocks", uint64_t{table->blocks.size()});
    std::printf("%s\n", json::Write(event).c_str());
    return kExitOk;
  }
  std::printf(" ok   %s: slot of %s with %s %s and the hashes of its %zu blocks\n", Printable(arguments.out).c_str(),
              FormatSize(shape.slot_bytes).c_str(), component.component.c_str(), release.version.c_str(),
              table->blocks.size());
  return kExitOk;
}

int Factory(const GlobalOptions& options, const Arguments& arguments) {
  const Result<ReleaseRecord> release = ReadReleaseRecord(arguments.folder);
  if (!release.ok()) return Fail(options, kExitFailed, kNoRelease, arguments.folder, &release.error());
  for (const ComponentRecord& component : release->components) {
    if (arguments.component.empty() ? release->components.size() == 1 : component.component == arguments.component)
      return Make(options, arguments, *release, component);
  }
  return Fail(options, kExitUsage, kBadArgument,
              arguments.component.empty() ? "--component: the release has several"
                                          : "--component " + arguments.component + " is not in the release");
}

}  // namespace

void AddFactoryCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      program.add_subcommand("factory", "Write the slot image for the factory: the image and its block hashes");
  command->add_option("folder", arguments->folder, "Release folder, as in out/1.5.0")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_option("--component", arguments->component, "Which image (default: the only one)");
  command->add_option("--slot-size", arguments->slot_size, "Size of the slot, as in 28MiB")->required();
  command->add_option("--erase-size", arguments->erase_size, "Erase block of the flash")->capture_default_str();
  command->add_option("-o,--out", arguments->out, "File to write")->required();
  command->footer("Layout: docs/formats/slot-table.md. Exit 4: the image does not fit.");
  command->callback(
      [&options, &run, arguments] { run = [&options, arguments] { return Factory(options, *arguments); }; });
}

}  // namespace till::packer
