// Takes from the calling process what a downloader does not need: root, and the kernel's ways to write to a file, a
// device or another process. What stays: sockets, reading, and the descriptors it has open.
//   user    setgroups, setgid, setuid when the process is root and `user` is not ""
//   filter  seccomp, a list of what is allowed: sockets, reading, memory, its own threads. Opening for writing and a
//   new
//           process answer EACCES, every call that is not on the list ENOSYS
//   parent  it dies with the process that made it
//   limits  RLIMIT_FSIZE 0, no core file, no new privileges, not dumpable
// A kernel without seccomp (or an emulator) leaves the user alone to protect the flash: `Confined` says what holds.
#pragma once

#include <string>

#include "core/result.h"

namespace till::device {

struct Confined {
  bool user_dropped = false;
  bool filtered = false;
};

// In a process of one thread, once; cannot be undone. kIo: the user could not be dropped, and nothing may go on.
Result<Confined> ConfineThisProcess(const std::string& user);

// Closes every descriptor above stderr but `keep`.
void CloseAllBut(int keep);

}  // namespace till::device
