// SIGTERM and SIGINT as a flag and a thing to wait on. One per process.
#pragma once

#include <atomic>
#include <cstdint>

namespace till::device {

// Installs the handlers; SIGPIPE is ignored from then on. Call once, before any thread.
void CatchStopSignals();
// True once a stop was asked for. For http::ClientOptions::cancel.
const std::atomic<bool>& StopAsked();
// Sleeps, at most until a stop is asked for.
void WaitForStop(int64_t ms);

}  // namespace till::device
