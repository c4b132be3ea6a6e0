#include "device/confine.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "core/file.h"
#include "core/text.h"
#include "device/allowed_calls.h"

namespace till::device {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#elif defined(__arm__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_ARM;
#elif defined(__mips__) && defined(__MIPSEL__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_MIPSEL;
#else
constexpr uint32_t kArchitecture = 0;  // not known: no filter
#endif

constexpr uint32_t kNobody = 65534;
constexpr uint32_t kWriting = O_ACCMODE | O_CREAT | O_TRUNC;
constexpr uint32_t kDeny = SECCOMP_RET_ERRNO | EACCES;
// What is not on the list: as on a kernel that has not got it, for which libraries have their fall-backs.
constexpr uint32_t kNotHere = SECCOMP_RET_ERRNO | ENOSYS;

sock_filter Step(uint16_t code, uint32_t value) { return BPF_STMT(code, value); }
sock_filter Jump(uint16_t test, uint32_t value, uint8_t if_true, uint8_t if_false) {
  return BPF_JUMP(static_cast<uint16_t>(BPF_JMP | BPF_K | test), value, if_true, if_false);
}
// The low word of an argument (little endian) of the call under judgement.
sock_filter LoadArgument(unsigned index) {
  return Step(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offsetof(seccomp_data, args) + 8 * index));
}

// open() and its kind: for reading only.
void ReadOnly(std::vector<sock_filter>& program, uint32_t call, unsigned flags_argument) {
  program.push_back(Jump(BPF_JEQ, call, 0, 4));
  program.push_back(LoadArgument(flags_argument));
  program.push_back(Jump(BPF_JSET, kWriting, 0, 1));
  program.push_back(Step(BPF_RET | BPF_K, kDeny));
  program.push_back(Step(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

// A call whose argument must hold one of `bits`. (clone3 hides its own behind a pointer: it is not on the list.)
void OnlyWith(std::vector<sock_filter>& program, uint32_t call, unsigned argument, uint32_t bits) {
  program.push_back(Jump(BPF_JEQ, call, 0, 4));
  program.push_back(LoadArgument(argument));
  program.push_back(Jump(BPF_JSET, bits, 1, 0));
  program.push_back(Step(BPF_RET | BPF_K, kDeny));
  program.push_back(Step(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

// ioctl: only the two that ask a socket how much there is, and make it not wait.
void OnlySocketIoctls(std::vector<sock_filter>& program) {
  program.push_back(Jump(BPF_JEQ, __NR_ioctl, 0, 5));
  program.push_back(LoadArgument(1));
  program.push_back(Jump(BPF_JEQ, FIONREAD, 2, 0));
  program.push_back(Jump(BPF_JEQ, FIONBIO, 1, 0));
  program.push_back(Step(BPF_RET | BPF_K, kDeny));
  program.push_back(Step(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
}

std::vector<sock_filter> MakeFilter() {
  std::vector<sock_filter> program;
  program.push_back(Step(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
  program.push_back(Jump(BPF_JEQ, kArchitecture, 1, 0));
  program.push_back(Step(BPF_RET | BPF_K, kDeny));
  program.push_back(Step(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
#if defined(__x86_64__)
  program.push_back(Jump(BPF_JGE, 0x40000000, 0, 1));  // x32's numbers for the same calls
  program.push_back(Step(BPF_RET | BPF_K, kDeny));
#endif
#ifdef __NR_open
  ReadOnly(program, __NR_open, 1);
#endif
  ReadOnly(program, __NR_openat, 2);
  OnlyWith(program, __NR_clone, 0, CLONE_THREAD);
  OnlySocketIoctls(program);
  for (const uint32_t call : AllowedCalls()) {
    program.push_back(Jump(BPF_JEQ, call, 0, 1));
    program.push_back(Step(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  program.push_back(Step(BPF_RET | BPF_K, kNotHere));
  return program;
}

bool InstallFilter() {
  if (kArchitecture == 0) return false;
  std::vector<sock_filter> program = MakeFilter();
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

struct UserIds {
  uid_t user = kNobody;
  gid_t group = kNobody;
};

UserIds FindUser(const std::string& name) {
  UserIds ids;
  const auto number = ParseUint(name);
  if (number.ok() && *number > 0 && *number < UINT32_MAX) {
    ids.user = static_cast<uid_t>(*number);
    ids.group = static_cast<gid_t>(*number);
  } else if (const passwd* entry = getpwnam(name.c_str()); entry != nullptr && entry->pw_uid != 0) {
    ids.user = entry->pw_uid;
    ids.group = entry->pw_gid;
  }
  return ids;
}

}  // namespace

Result<Confined> ConfineThisProcess(const std::string& user) {
  Confined confined;
  signal(SIGXFSZ, SIG_IGN);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_FSIZE, &none);
  setrlimit(RLIMIT_CORE, &none);
  if (!user.empty() && geteuid() == 0) {
    const UserIds ids = FindUser(user);
    if (setgroups(0, nullptr) != 0 || setresgid(ids.group, ids.group, ids.group) != 0 ||
        setresuid(ids.user, ids.user, ids.user) != 0) {
      return SystemError("the downloader cannot give up root");
    }
    confined.user_dropped = true;
  }
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // after the change of user, which clears it
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) confined.filtered = InstallFilter();
  return confined;
}

void CloseAllBut(int keep) {
  std::vector<int> open;
  if (DIR* folder = opendir("/proc/self/fd")) {
    while (const dirent* entry = readdir(folder)) {
      const auto fd = ParseUint(entry->d_name);
      if (fd.ok() && *fd != static_cast<uint64_t>(dirfd(folder))) open.push_back(static_cast<int>(*fd));
    }
    closedir(folder);
  } else {
    for (int fd = STDERR_FILENO + 1; fd < 1024; fd++) open.push_back(fd);
  }
  for (const int fd : open) {
    if (fd > STDERR_FILENO && fd != keep) close(fd);
  }
}

}  // namespace till::device
