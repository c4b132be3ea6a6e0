// Files: descriptors that close themselves, Sources and Sinks on them, and the one way we replace a file.
//   Errors are kIo with errno, kNotFound for ENOENT, kLimit for ENOSPC/EDQUOT/EFBIG. EINTR is retried everywhere.
#pragma once

#include <string>
#include <string_view>

#include "core/io.h"

namespace till {

// Owns a file descriptor; -1 is none.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release();
  void Reset();

 private:
  int fd_ = -1;
};

// The Error for the current errno (or a given one), by the table above.
Error SystemError(const char* what);
Error SystemError(const char* what, int error_number);
// Whether such an Error says that there is no room: kLimit with one of these numbers.
bool IsDiskFull(const Error& error);
// Whether it says that descriptors, memory or disk ran out: the file may well be there, and later it opens.
bool IsOutOfResources(const Error& error);

// open(2) with O_CLOEXEC added; mode 0644 when it creates, unless told.
Result<UniqueFd> OpenFile(const std::string& path, int flags, unsigned mode = 0644);
Result<uint64_t> FileSize(int fd);

// pread/pwrite until done. WriteAllAt and WriteAll fail rather than write short.
Result<size_t> ReadSomeAt(int fd, uint64_t offset, MutableByteView out);
Status WriteAllAt(int fd, uint64_t offset, ByteView bytes);
Status WriteAll(int fd, ByteView bytes);

class FileSource : public Source {
 public:
  static Result<FileSource> Open(const std::string& path);
  FileSource(UniqueFd fd, uint64_t size) : fd_(std::move(fd)), size_(size) {}
  Result<size_t> ReadAt(uint64_t offset, MutableByteView out) override { return ReadSomeAt(fd_.get(), offset, out); }
  uint64_t size() const override { return size_; }
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  uint64_t size_;
};

// Writes a new file from its start; Finish() is fsync.
class FileSink : public Sink {
 public:
  static Result<FileSink> Create(const std::string& path, unsigned mode = 0644);
  explicit FileSink(UniqueFd fd) : fd_(std::move(fd)) {}
  Status Write(ByteView bytes) override;
  Status Finish() override;

 private:
  UniqueFd fd_;
};

// Whole small files. `limit_bytes` bounds memory: a larger file is kLimit.
Result<std::string> ReadTextFile(const std::string& path, uint64_t limit_bytes = 1 << 20);
Result<Bytes> ReadBinaryFile(const std::string& path, uint64_t limit_bytes);

// Makes what was created, renamed or removed in the folder durable.
Status SyncFolder(const std::string& folder);

// Writes beside, fsyncs, renames over, fsyncs the folder: a reader sees the old file or the new one, never a mixture.
Status WriteFileAtomically(const std::string& path, ByteView bytes, unsigned mode = 0644);

bool FileExists(const std::string& path);
// Makes the folder and its parents (0755); an existing folder is fine.
Status MakeFolders(const std::string& path);

}  // namespace till
