// tillpack kernel: a kernel in the form whose changed parts a terminal can make again.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "core/json/json.h"
#include "core/output_file.h"
#include "core/text.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/kernel_fit.h"

namespace till::packer {
namespace {

constexpr uint64_t kMaxInputBytes = 64 << 20;

struct Arguments {
  std::string kernel;
  std::string out;
  uint32_t load = 0;
  uint32_t entry = 0;
};

Result<PlainKernel> Read(const Arguments& arguments, ByteView bytes) {
  if (arguments.load == 0) return ReadUimageKernel(bytes);
  return PlainKernel{Bytes(bytes.begin(), bytes.end()), arguments.load,
                     arguments.entry != 0 ? arguments.entry : arguments.load, 0, "kernel"};
}

int Pack(const GlobalOptions& options, const Arguments& arguments) {
  const Result<Bytes> bytes = ReadBinaryFile(arguments.kernel, kMaxInputBytes);
  if (!bytes.ok()) return Fail(options, kExitFailed, kInputUnreadable, arguments.kernel, &bytes.error());
  const Result<PlainKernel> kernel = Read(arguments, *bytes);
  if (!kernel.ok()) return Fail(options, kExitFailed, kKernelUnusable, arguments.kernel, &kernel.error());
  const Result<PackedKernel> packed = PackKernel(*kernel);
  if (!packed.ok()) return Fail(options, kExitFailed, kKernelUnusable, arguments.kernel, &packed.error());
  const Status written = WriteOutput(arguments.out, packed->fit);
  if (!written.ok()) return Fail(options, kExitFailed, kOutputUnwritable, arguments.out, &written.error());
  const double ratio = static_cast<double>(packed->fit.size()) / static_cast<double>(bytes->size());
  if (options.json) {
    json::Value event = json::Value::Object();
    event.Set("event", "kernel.done").Set("file", arguments.out).Set("bytes", uint64_t{packed->fit.size()});
    event.Set("plain_bytes", uint64_t{kernel->code.size()}).Set("input_bytes", uint64_t{bytes->size()});
    event.Set("frames", uint64_t{packed->frames}).Set("padded_frames", uint64_t{packed->padded_frames});
    std::printf("%s\n", json::Write(event).c_str());
    return kExitOk;
  }
  std::printf(" ok   %s: %s in %u frames (%u padded), %.3f of what was given\n", Printable(arguments.out).c_str(),
              FormatSize(packed->fit.size()).c_str(), packed->frames, packed->padded_frames, ratio);
  return kExitOk;
}

}  // namespace

void AddKernelCommand(CLI::App& program, GlobalOptions& options, Run& run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      program.add_subcommand("kernel", "Pack a kernel as a FIT whose changed parts a terminal can make again");
  command->add_option("kernel", arguments->kernel, "uImage (LZMA or stored), or with --load a plain kernel")
      ->required();
  command->add_option("-o,--out", arguments->out, "FIT to write")->required();
  command->add_option("--load", arguments->load, "Load address of a plain kernel, as 0x80000000");
  command->add_option("--entry", arguments->entry, "Entry address, when it is not the load address");
  command->callback([&options, &run, arguments] { run = [&options, arguments] { return Pack(options, *arguments); }; });
}

}  // namespace till::packer
