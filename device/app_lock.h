// "No restart during a sale": locks that the till's application holds while it must not be interrupted.
//   A lock is a file in <run_dir>/locks with an end in this boot's own time, so that no wrong clock prolongs it and
//   no crashed application holds it for ever. The agent shuts the gate (an exclusive flock on <run_dir>/locks/gate)
//   from its decision to restart until the restart: a lock taken then is refused.
//   Who may: the folder belongs to this process' user, or with a group (`lock_group`) to that one too: its members take
//   locks, nobody else opens anything in it, the gate included.
//   Bounds: 32 locks, a reason of 64 bytes, no longer than the caller's `most_ms`. Errors: kIo, kLimit, kConflict (the
//   restart has begun). Any process.
#pragma once

#include <string>
#include <vector>

#include "core/clock.h"
#include "core/file.h"

namespace till::device {

class AppLocks {
 public:
  AppLocks(std::string run_dir, Clock& clock) : folder_(std::move(run_dir) + "/locks"), clock_(clock) {}

  // Makes the folder and the gate, for `group` too ("": this user alone), and sets right what an earlier version left
  // open to everybody. For the agent, at its start. kNotFound: there is no such group.
  Status Prepare(const std::string& group);
  // A lock with the same reason is prolonged.
  Status Take(const std::string& reason, int64_t ms);
  // kNotFound when there is none.
  Status Release(const std::string& reason);

  struct Held {
    std::string reason;
    int64_t left_ms = 0;
  };
  // What holds now. Ended ones, and those of an earlier boot, are removed.
  std::vector<Held> List();

  // For the agent: holds the gate until the value dies. kConflict while somebody holds a lock.
  Result<UniqueFd> ShutGate();

 private:
  Result<UniqueFd> OpenGate(int operation);
  std::string PathOf(const std::string& reason) const;

  std::string folder_;
  Clock& clock_;
};

}  // namespace till::device
