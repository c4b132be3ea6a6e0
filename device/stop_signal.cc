#include "device/stop_signal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace till::device {
namespace {

std::atomic<bool> stop_asked{false};
int pipe_ends[2] = {-1, -1};

void OnSignal(int) {
  const int saved = errno;
  stop_asked.store(true);
  const char byte = 0;
  // A full pipe wakes its reader as well as one more byte would.
  [[maybe_unused]] const ssize_t written = write(pipe_ends[1], &byte, 1);
  errno = saved;
}

}  // namespace

void CatchStopSignals() {
  if (pipe2(pipe_ends, O_CLOEXEC | O_NONBLOCK) != 0) return;
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

const std::atomic<bool>& StopAsked() { return stop_asked; }

void WaitForStop(int64_t ms) {
  if (stop_asked.load()) return;
  pollfd poll_fd{pipe_ends[0], POLLIN, 0};
  poll(&poll_fd, 1, static_cast<int>(std::clamp<int64_t>(ms, 0, 86'400'000)));
}

}  // namespace till::device
