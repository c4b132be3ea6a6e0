// Downloads payloads in a process of its own that cannot write to flash (confine.h): what talks to mirrors and edges
// and parses their answers holds neither a slot nor the journal, and hands over plain bytes through a socket. The
// chunk hashes are checked by whoever receives them.
//   The process is forked at the first use and after a failure; it ends with its owner. It is killed when the owner
//   does not want the rest of a download: its connections are then made anew.
//   Frames on the socket: u8 kind, u32 length (64 KiB at most), little endian. Nothing of the child is believed: every
//   length is bounded, its texts are shortened and never shown unescaped.
//   Errors: as payload_fetcher.h; kUnavailable when the process died. One thread.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "core/file.h"
#include "device/confine.h"
#include "device/payload_fetcher.h"

namespace till::device {

class ConfinedFetcher final : public PayloadFetcher {
 public:
  struct Options {
    http::ClientOptions http;     // `cancel` is watched here, not in the child
    std::string user = "nobody";  // who the child becomes when this process is root; "" = stays
  };
  explicit ConfinedFetcher(Options options) : options_(std::move(options)) {}
  ~ConfinedFetcher() override;
  ConfinedFetcher(const ConfinedFetcher&) = delete;
  ConfinedFetcher& operator=(const ConfinedFetcher&) = delete;

  Result<int> Fetch(const PayloadSource& source, const FetchRange& range,
                    const std::function<Status(ByteView)>& on_bytes) override;

  // Asks the child to open `path` for writing, and how it is confined: for `tilld doctor` and the tests.
  struct Probe {
    int open_error = 0;  // errno; 0: it could
    unsigned open_files = 0;
    Confined confined;
  };
  Result<Probe> TryToWrite(const std::string& path);

  pid_t child() const { return child_; }

 private:
  struct Frame;
  Status Start();
  void End();
  Status Send(uint8_t kind, ByteView body);
  Status WaitReadable();
  Status ReadExactly(MutableByteView out);
  Result<Frame> Receive();
  Result<int> Follow(ByteView request, const std::function<Status(ByteView)>& on_bytes,
                     const std::function<Status(uint64_t)>& on_waste);

  Options options_;
  UniqueFd socket_;
  pid_t child_ = -1;
};

}  // namespace till::device
