#include "device/simulate.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace till::device {
namespace {

// What the cut child leaves behind: memory shared with it.
struct Shared {
  uint64_t wire_bytes = 0;
};

}  // namespace

Result<int> CuttingFetcher::Fetch(const PayloadSource& source, const FetchRange& range,
                                  const std::function<Status(ByteView)>& on_bytes) {
  const uint64_t cut_at = range.whole_bytes * percent_ / 100;
  uint64_t at = range.from;
  return next_->Fetch(source, range, [&](ByteView bytes) -> Status {
    wire_bytes_ += bytes.size();
    at += bytes.size();
    if (percent_ < 100 && at >= cut_at) kill(getpid(), SIGKILL);
    return on_bytes(bytes);
  });
}

Result<Simulated> SimulatePowerCut(const Config& config, const std::string& token, SlotId running, unsigned percent,
                                   const std::function<Result<Parts>()>& make) {
  void* const page = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return SystemError("cannot share memory");
  auto* const shared = new (page) Shared;
  Simulated out;
  const auto run = [&](unsigned share) -> Result<RunEnd> {
    Parts parts = TILL_TRY(make());
    if (!parts.fetcher) parts.fetcher = std::make_unique<ConfinedFetcher>(FetcherOptions(config));
    parts.fetcher = std::make_unique<CuttingFetcher>(std::move(parts.fetcher), share, shared->wire_bytes);
    Runner runner(config, token, running, std::move(parts));
    if (const auto refusal = runner.Start()) return Error{ErrorCode::kInvalid, refusal->fault->what};
    const RunEnd end = runner.Run(/*once=*/true);
    if (runner.hindrance()) out.refusal = *runner.hindrance();
    return end;
  };
  const pid_t child = fork();
  if (child < 0) return SystemError("cannot start a process");
  if (child == 0) _exit(run(percent).ok() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  out.was_cut = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  out.bytes_before = shared->wire_bytes;
  shared->wire_bytes = 0;
  const auto end = run(100);
  out.bytes_after = shared->wire_bytes;
  munmap(page, sizeof(Shared));
  out.end = TILL_TRY(end);
  return out;
}

}  // namespace till::device
