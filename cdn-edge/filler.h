// Fills objects from the origin: threads that claim spans, fetch them, check each unit, store it and wake who waits.
//   An object with demand or with more to fetch stands in one queue; each turn takes one span of it, so that objects
//   share the link, and what is asked for comes before what is merely next. At most two spans of one object are under
//   way, one of a plain object. Checking what an earlier process stored has threads of its own: it must not wait behind
//   a silent origin.
//   Disk full, or the object has no place under the cap: signed units pass through from memory, and go to the disk at a
//   later request, once there is room; a plain object is given up, as nobody can vouch for its pieces.
//   Memory: span buffers of one unit per fetcher and checker. Any thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cdn-edge/catalog.h"
#include "cdn-edge/origin.h"
#include "core/http/server.h"

namespace till::edge {

class Filler {
 public:
  struct Options {
    unsigned fetchers = 4;
    unsigned checkers = 2;
    uint64_t span_bytes = 1 << 20;  // one Range request: long enough to hide a round trip, short enough to turn
    uint64_t persist_batch_bytes = 2 << 20;  // most that a power cut makes us fetch again, per object
  };
  using Object = Catalog::Object;

  Filler(OriginLink& link, Catalog& catalog, Counters& counters, Options options);
  ~Filler() { Stop(); }
  // Ends what is under way (OriginLink::Cancel() makes that quick); afterwards Schedule() does nothing.
  void Stop();

  // To be called after a waiter was left with the object, or when it was sent from memory.
  void Schedule(const Object& object);

 private:
  struct Turn {
    unsigned active = 0;
    bool queued = false;
  };
  class Receiver;

  void Enqueue(const Object& object);
  void RunFetcher();
  Object NextObject();
  void EndTurn(const Object& object, bool again);
  bool FetchSpan(Courier& courier, const Object& object);
  Status Store(const Object& object, const Span& unit, ByteView bytes);
  void FinishPlain(const Object& object);
  void GiveUpPlain(const Object& object, Trouble trouble);
  void CheckStored(const Object& object);
  void DropRotten(const Object& object, const Span& unit);
  bool CheckPlain(const Object& object, const Span& span);
  void StoreKept(const Object& object);

  OriginLink& link_;
  Catalog& catalog_;
  Counters& counters_;
  const Options options_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Object> queue_;
  std::map<const CacheObject*, Turn> turns_;
  bool stopping_ = false;

  std::vector<std::thread> fetchers_;
  std::unique_ptr<http::WorkerPool> checkers_;
};

// Reads one unit of an object's file; false when that is no longer what it must be.
bool ReadIntact(CacheObject& object, const Span& unit, Bytes& bytes);

}  // namespace till::edge
