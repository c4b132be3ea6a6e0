#include "core/output_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>

namespace till {
namespace {

constexpr int kMaxLinks = 40;    // as the kernel follows
constexpr int kMaxBesides = 64;  // names taken by runs at the same time, or left by such as were killed

// With its slash; "./" for a bare name.
std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

// A link of /proc leads to what a process has open, not to the path it shows.
bool IsOfProc(const std::string& link) {
  struct statfs system {};
  return statfs(FolderOf(link).c_str(), &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
}

// Where the links at the end of `path` lead, whether something is there or not. "": a process's open file.
Result<std::string> FollowLinks(std::string path) {
  for (int i = 0; i < kMaxLinks; ++i) {
    std::array<char, PATH_MAX> target;
    const ssize_t length = readlink(path.c_str(), target.data(), target.size());
    if (length < 0 && (errno == EINVAL || errno == ENOENT)) return path;  // no link, or nothing
    if (length < 0) return SystemError("cannot follow the link");
    if (IsOfProc(path)) return std::string();
    const std::string leads(target.data(), static_cast<size_t>(length));
    path = leads.starts_with('/') ? leads : FolderOf(path) + leads;
  }
  return SystemError("cannot follow the link", ELOOP);
}

bool IsStandardOutput(const struct stat& info) {
  struct stat standard {};
  return fstat(STDOUT_FILENO, &standard) == 0 && standard.st_dev == info.st_dev && standard.st_ino == info.st_ino;
}

Result<UniqueFd> OpenBesideName(const std::string& place, unsigned mode, std::string& name) {
  for (int i = 0; i < kMaxBesides; ++i) {
    name = place + ".unfinished" + (i == 0 ? "" : "-" + std::to_string(i));
    Result<UniqueFd> fd = OpenFile(name, O_WRONLY | O_CREAT | O_EXCL, mode);
    if (fd.ok() || fd.error().detail != EEXIST) return fd;
  }
  return SystemError("cannot write beside the file", EEXIST);
}

}  // namespace

Result<OutputFile> OutputFile::Open(const std::string& path, unsigned mode) {
  struct stat info {};
  const bool exists = stat(path.c_str(), &info) == 0;
  if (!exists && errno != ENOENT) return SystemError("cannot open the output");
  if (exists && S_ISDIR(info.st_mode)) return Error{ErrorCode::kInvalid, "the output is a folder"};
  if (exists && S_ISSOCK(info.st_mode)) return Error{ErrorCode::kInvalid, "the output is a socket"};
  // A character device takes both: /dev/null, a terminal.
  if (exists && !S_ISCHR(info.st_mode) && IsStandardOutput(info)) {
    return Error{ErrorCode::kInvalid, "the program tells its result there (stdout): name a file"};
  }
  const std::string place = TILL_TRY(FollowLinks(path));
  if (!place.empty() && (!exists || S_ISREG(info.st_mode))) return OpenBeside(place, mode);
  int flags = O_WRONLY | O_NOCTTY;
  if (S_ISREG(info.st_mode)) flags |= O_TRUNC;
  if (S_ISBLK(info.st_mode)) flags |= O_EXCL;  // EBUSY when it is mounted
  return OutputFile(TILL_TRY(OpenFile(path, flags)), "", "");
}

Result<OutputFile> OutputFile::OpenBeside(const std::string& place, unsigned mode) {
  struct stat old {};
  const bool replaces = stat(place.c_str(), &old) == 0;
  if (replaces && access(place.c_str(), W_OK) != 0) return SystemError("cannot write the file");
  std::string name;
  UniqueFd fd = TILL_TRY(OpenBesideName(place, mode, name));
  OutputFile file(std::move(fd), place, std::move(name));
  if (replaces) {
    // Another's file stays theirs where root writes it; who is not root may not give files away, and need not.
    const bool kept = fchown(file.fd_.get(), old.st_uid, old.st_gid) == 0 || errno == EPERM;
    if (!kept || fchmod(file.fd_.get(), old.st_mode & mode) != 0) return SystemError("cannot keep the file's rights");
  }
  return file;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::move(other.fd_)), place_(std::move(other.place_)), unfinished_(std::move(other.unfinished_)) {
  other.unfinished_.clear();
}

OutputFile::~OutputFile() {
  if (!unfinished_.empty()) unlink(unfinished_.c_str());
}

Status OutputFile::Write(ByteView bytes) { return WriteAll(fd_.get(), bytes); }

Result<FileSource> OutputFile::ReadBack() const {
  if (unfinished_.empty()) return Error{ErrorCode::kUnsupported, "what is written through cannot be read again"};
  return FileSource::Open(unfinished_);
}

Status OutputFile::Finish() {
  // Pipes and most character devices have nothing to make durable, and say so.
  const bool synced = fsync(fd_.get()) == 0 || (unfinished_.empty() && (errno == EINVAL || errno == ENOTSUP));
  if (!synced) return SystemError("cannot make the file durable");
  if (unfinished_.empty()) return Ok();
  if (rename(unfinished_.c_str(), place_.c_str()) != 0) return SystemError("cannot replace the file");
  unfinished_.clear();
  return SyncFolder(FolderOf(place_));
}

Status WriteOutput(const std::string& path, ByteView bytes, unsigned mode) {
  OutputFile file = TILL_TRY(OutputFile::Open(path, mode));
  TILL_TRY(file.Write(bytes));
  return file.Finish();
}

}  // namespace till
