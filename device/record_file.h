// Two copies of a small record, each where a torn write cannot reach the other: two erase sectors, or two places in a
// file. The journal and the boot state both stand on this; the fault tests put themselves in between.
//   Errors: kIo, kLimit. Thread rule: one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "core/file.h"

namespace till::device {

class RecordFile {
 public:
  virtual ~RecordFile() = default;
  // Fills `out` with the start of a copy; what was never written reads as 0xff.
  virtual Status Read(int copy, MutableByteView out) = 0;
  // Writes the start of a copy and makes it durable.
  virtual Status Write(int copy, ByteView bytes) = 0;
  // On raw flash: programs over the start of a copy without erasing it, which only clears bits. The same bytes make
  // firm what a cut may have left weak; zeros make sure that what reads as invalid now is never valid later.
  virtual Status ProgramOver(int /*copy*/, ByteView /*bytes*/) { return Ok(); }
  // On a log on raw flash, for its one writer, before it acts on what it read: a record that a cut left half written
  // and that did not read as valid just now is never read as valid again.
  virtual Status MakeFirm() { return Ok(); }
};

// In a file or block device; made when missing, if `create`.
Result<std::unique_ptr<RecordFile>> OpenRecordFile(const std::string& path, uint64_t stride_bytes, bool create);

}  // namespace till::device
