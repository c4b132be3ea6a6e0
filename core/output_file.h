// What a program writes where a person said so (-o, --out, --html): one rule for all of them.
//   a file, or nothing there   written beside as PATH.unfinished; Finish() makes it durable and renames it over. The
//                              old file stays until then, and keeps its owner and rights in the new one.
//   a link                     followed, to where nothing is yet too; the link itself stays.
//   a device node or a pipe    written through: never replaced, never removed, never given other rights. What came
//                              before an error stays written. A block device that is mounted is refused.
//   /dev/stdout, /proc/*/fd    written through as well; refused where the program prints its result there.
//   a folder, a socket         refused.
// Nothing is left behind when it is destroyed unfinished. Errors are file.h's; kInvalid for what is refused.
#pragma once

#include <string>

#include "core/file.h"

namespace till {

class OutputFile : public Sink {
 public:
  // Rights of a new file are `mode` without the umask's; an old one's rights are kept as far as `mode` has them.
  static Result<OutputFile> Open(const std::string& path, unsigned mode = 0666);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) = delete;
  ~OutputFile() override;

  Status Write(ByteView bytes) override;
  // Reads what was written so far, as it grows. kUnsupported where it is written through.
  Result<FileSource> ReadBack() const;
  // Once, at the end: only then is there a file.
  Status Finish() override;

 private:
  OutputFile(UniqueFd fd, std::string place, std::string unfinished)
      : fd_(std::move(fd)), place_(std::move(place)), unfinished_(std::move(unfinished)) {}
  static Result<OutputFile> OpenBeside(const std::string& place, unsigned mode);

  UniqueFd fd_;
  std::string place_;       // where the links lead
  std::string unfinished_;  // "": written through, or finished
};

// The whole of it at once.
Status WriteOutput(const std::string& path, ByteView bytes, unsigned mode = 0666);

}  // namespace till
