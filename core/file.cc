#include "core/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace till {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    Reset();
    fd_ = other.Release();
  }
  return *this;
}

int UniqueFd::Release() {
  const int fd = fd_;
  fd_ = -1;
  return fd;
}

void UniqueFd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

bool IsDiskFull(const Error& error) {
  return error.code == ErrorCode::kLimit && (error.detail == ENOSPC || error.detail == EDQUOT || error.detail == EFBIG);
}

bool IsOutOfResources(const Error& error) {
  const bool ran_out =
      error.detail == EMFILE || error.detail == ENFILE || error.detail == ENOMEM || error.detail == ENOBUFS;
  return IsDiskFull(error) || (error.code == ErrorCode::kIo && ran_out);
}

Error SystemError(const char* what, int error_number) {
  ErrorCode code = ErrorCode::kIo;
  if (error_number == ENOENT) code = ErrorCode::kNotFound;
  const Error as_limit{ErrorCode::kLimit, what, static_cast<uint64_t>(error_number)};
  return IsDiskFull(as_limit) ? as_limit : Error{code, what, as_limit.detail};
}

Error SystemError(const char* what) { return SystemError(what, errno); }

Result<UniqueFd> OpenFile(const std::string& path, int flags, unsigned mode) {
  for (;;) {
    const int fd = open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return UniqueFd(fd);
    if (errno != EINTR) return SystemError("cannot open the file");
  }
}

Result<uint64_t> FileSize(int fd) {
  const off_t end = lseek(fd, 0, SEEK_END);  // works for block devices too, where st_size is 0
  if (end < 0) return SystemError("cannot tell the file's size");
  return static_cast<uint64_t>(end);
}

Result<size_t> ReadSomeAt(int fd, uint64_t offset, MutableByteView out) {
  for (;;) {
    const ssize_t got = pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR) return SystemError("cannot read the file");
  }
}

Status WriteAllAt(int fd, uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return SystemError("cannot write the file");
    if (put == 0) return SystemError("cannot write the file", ENOSPC);
    offset += static_cast<uint64_t>(put);
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return Ok();
}

Status WriteAll(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return SystemError("cannot write the file");
    if (put == 0) return SystemError("cannot write the file", ENOSPC);
    bytes = bytes.subspan(static_cast<size_t>(put));
  }
  return Ok();
}

Result<FileSource> FileSource::Open(const std::string& path) {
  UniqueFd fd = TILL_TRY(OpenFile(path, O_RDONLY));
  const uint64_t size = TILL_TRY(FileSize(fd.get()));
  return FileSource(std::move(fd), size);
}

Result<FileSink> FileSink::Create(const std::string& path, unsigned mode) {
  return FileSink(TILL_TRY(OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, mode)));
}

Status FileSink::Write(ByteView bytes) { return WriteAll(fd_.get(), bytes); }

Status FileSink::Finish() {
  if (fsync(fd_.get()) != 0) return SystemError("cannot make the file durable");
  return Ok();
}

Result<Bytes> ReadBinaryFile(const std::string& path, uint64_t limit_bytes) {
  FileSource source = TILL_TRY(FileSource::Open(path));
  if (source.size() > limit_bytes) return Error{ErrorCode::kLimit, "the file is larger than allowed", limit_bytes};
  Bytes bytes(static_cast<size_t>(source.size()));
  TILL_TRY(ReadFully(source, 0, bytes));
  return bytes;
}

Result<std::string> ReadTextFile(const std::string& path, uint64_t limit_bytes) {
  const Bytes bytes = TILL_TRY(ReadBinaryFile(path, limit_bytes));
  return std::string(AsText(bytes));
}

Status SyncFolder(const std::string& folder) {
  const UniqueFd fd = TILL_TRY(OpenFile(folder, O_RDONLY | O_DIRECTORY));
  if (fsync(fd.get()) != 0) return SystemError("cannot make the folder durable");
  return Ok();
}

namespace {

Status SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return SyncFolder(slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash));
}

Status WriteBeside(const std::string& beside, ByteView bytes, unsigned mode) {
  FileSink sink = TILL_TRY(FileSink::Create(beside, mode));
  TILL_TRY(sink.Write(bytes));
  return sink.Finish();
}

}  // namespace

Status WriteFileAtomically(const std::string& path, ByteView bytes, unsigned mode) {
  const std::string beside = path + ".new";
  unlink(beside.c_str());  // one left by a cut may have wider permissions than `mode`
  if (const Status written = WriteBeside(beside, bytes, mode); !written.ok()) {
    unlink(beside.c_str());
    return written;
  }
  if (rename(beside.c_str(), path.c_str()) != 0) {
    const Error failed = SystemError("cannot replace the file");
    unlink(beside.c_str());
    return failed;
  }
  return SyncFolderOf(path);
}

bool FileExists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

Status MakeFolders(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string prefix = path.substr(0, end);
    if (mkdir(prefix.c_str(), 0755) != 0 && errno != EEXIST) return SystemError("cannot make the folder");
    if (end == std::string::npos) break;
  }
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return SystemError("cannot make the folder");
  if (!S_ISDIR(info.st_mode)) return SystemError("cannot make the folder", ENOTDIR);  // EEXIST may mean a file
  return Ok();
}

}  // namespace till
