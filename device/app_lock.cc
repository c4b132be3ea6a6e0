#include "device/app_lock.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "core/crypto/hash.h"
#include "core/text.h"

namespace till::device {
namespace {

constexpr size_t kMaxLocks = 32;
constexpr size_t kMaxReason = 64;
constexpr size_t kBootIdBytes = 36;
constexpr unsigned kGateMode = 0600;

std::string BootId() {
  const auto text = ReadTextFile("/proc/sys/kernel/random/boot_id", 64);
  return text.ok() ? std::string(Trim(*text)).substr(0, kBootIdBytes) : "";
}

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

}  // namespace

std::string AppLocks::PathOf(const std::string& reason) const {
  return folder_ + "/" + ToHex(crypto::Sha256Of(AsBytes(reason))).substr(0, 16) + ".lock";
}

Status AppLocks::Prepare(const std::string& group) {
  TILL_TRY(MakeFolders(folder_));
  const UniqueFd folder = TILL_TRY(OpenFile(folder_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const UniqueFd gate = TILL_TRY(OpenFile(folder_ + "/gate", O_RDWR | O_CREAT | O_NOFOLLOW, kGateMode));
  gid_t owner = getegid();
  if (!group.empty()) {
    const struct group* entry = getgrnam(group.c_str());
    if (entry == nullptr) return Error{ErrorCode::kNotFound, "there is no such group"};
    owner = entry->gr_gid;
  }
  // The folder's group goes over to the locks in it, so that each member may end another's.
  const mode_t folder_mode = group.empty() ? 0700 : 02770;
  const bool set = fchown(folder.get(), geteuid(), owner) == 0 && fchmod(folder.get(), folder_mode) == 0 &&
                   fchown(gate.get(), geteuid(), owner) == 0 && fchmod(gate.get(), group.empty() ? 0600 : 0660) == 0;
  return set ? Ok() : Status(SystemError("cannot set who may take locks"));
}

Result<UniqueFd> AppLocks::OpenGate(int operation) {
  auto opened = OpenFile(folder_ + "/gate", O_RDWR | O_NOFOLLOW);
  if (!opened.ok() && opened.error().code == ErrorCode::kNotFound) {  // before the agent's first start
    TILL_TRY(Prepare(""));
    opened = OpenFile(folder_ + "/gate", O_RDWR | O_NOFOLLOW);
  }
  UniqueFd gate = TILL_TRY(std::move(opened));
  if (flock(gate.get(), operation | LOCK_NB) != 0) {
    return Error{ErrorCode::kConflict, "the restart has begun", static_cast<uint64_t>(errno)};
  }
  return gate;
}

Status AppLocks::Take(const std::string& reason, int64_t ms) {
  if (reason.empty() || reason.size() > kMaxReason) return Error{ErrorCode::kInvalid, "a reason has 1 to 64 bytes"};
  const UniqueFd gate = TILL_TRY(OpenGate(LOCK_SH));
  if (List().size() >= kMaxLocks && !FileExists(PathOf(reason))) {
    return Error{ErrorCode::kLimit, "too many locks", kMaxLocks};
  }
  const std::string text = BootId() + "\n" + std::to_string(clock_.MonotonicMs() + ms) + "\n" + reason + "\n";
  return WriteFileAtomically(PathOf(reason), AsBytes(text));
}

Status AppLocks::Release(const std::string& reason) {
  List();  // what has ended goes: it is no lock any more
  const std::string path = PathOf(reason);
  if (unlink(path.c_str()) != 0) return SystemError(errno == ENOENT ? "it is not held" : "cannot remove the lock");
  return Ok();
}

std::vector<AppLocks::Held> AppLocks::List() {
  std::vector<Held> held;
  const std::unique_ptr<DIR, CloseFolder> open(opendir(folder_.c_str()));
  if (!open) return held;
  while (const dirent* entry = readdir(open.get())) {
    const std::string name = entry->d_name;
    if (!name.ends_with(".lock")) continue;
    const std::string path = folder_ + "/" + name;
    const auto text = ReadTextFile(path, 1024);
    if (!text.ok()) continue;
    const auto lines = Split(*text, '\n');
    const auto until = lines.size() >= 3 ? ParseUint(lines[1]) : Result<uint64_t>(Error{ErrorCode::kCorrupt, ""});
    const int64_t left_ms = until.ok() ? static_cast<int64_t>(*until) - clock_.MonotonicMs() : 0;
    if (!until.ok() || left_ms <= 0 || lines[0] != BootId()) {
      unlink(path.c_str());
    } else {
      held.push_back({Printable(lines[2]), left_ms});
    }
  }
  return held;
}

Result<UniqueFd> AppLocks::ShutGate() {
  UniqueFd gate = TILL_TRY(OpenGate(LOCK_EX));
  if (!List().empty()) return Error{ErrorCode::kConflict, "a lock is held"};
  return gate;
}

}  // namespace till::device
