#include "cdn-edge/edge.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <thread>

#include "cdn-edge/faults.h"
#include "cdn-edge/origin.h"
#include "cdn-edge/scrub.h"
#include "core/log.h"

namespace till::edge {
namespace {

constexpr int64_t kTickMs = 200;  // how exact deadlines of waiters are
constexpr int64_t kSettleMs = 1'000;
constexpr int64_t kScrubEveryMs = int64_t{24} * 3600 * 1000;

}  // namespace

// In the order they are made; taken apart in the opposite one.
struct Edge::Parts {
  Parts(EdgeOptions edge_options, Clock& edge_clock, DataFolder data_folder)
      : options(std::move(edge_options)),
        clock(edge_clock),
        folder(std::move(data_folder)),
        link(options.origin, counters, clock) {}

  void ForgetWhatIsSignedOtherwise();
  void Wait(int64_t ms);  // or until the end
  void Tick();
  void Settle();
  void ScrubNowAndThen();
  void FollowOrigin();

  EdgeOptions options;
  Clock& clock;
  DataFolder folder;
  Counters counters;
  OriginLink link;
  std::unique_ptr<Catalog> catalog;
  std::unique_ptr<Mirror> mirror;
  std::unique_ptr<Filler> filler;
  std::unique_ptr<AccessLog> access_log;
  std::unique_ptr<EdgeHandler> handler;
  std::unique_ptr<http::Server> server;

  std::mutex mutex;
  std::condition_variable stopped;
  std::atomic<bool> stopping{false};
  std::vector<std::thread> threads;
};

// What signed metadata says goes before what the index remembers: a bit of that may have flipped.
void Edge::Parts::ForgetWhatIsSignedOtherwise() {
  for (const IndexRecord& record : catalog->Records()) {
    const std::optional<Identity> identity = mirror->FindObject(record.identity.name);
    if (identity && !record.identity.plain() && record.identity != *identity) catalog->Forget(record.identity.name);
  }
}

void Edge::Parts::Wait(int64_t ms) {
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping.load(); });
}

void Edge::Parts::Tick() {
  while (!stopping) {
    Wait(kTickMs);
    for (const Catalog::Object& object : catalog->LiveObjects()) object->WakeOverdue();
  }
}

void Edge::Parts::Settle() {
  while (!stopping) {
    Wait(kSettleMs);
    catalog->Settle(false);
    for (const crypto::Sha256Digest& name : catalog->TakeSuspects()) {
      ScrubObject(*catalog, counters, clock, name, {.bytes_per_s = 0, .stop = &stopping});
      // What is still right in memory goes back to the disk.
      if (const Catalog::Object object = catalog->FindLive(name)) filler->Schedule(object);
    }
  }
}

void Edge::Parts::FollowOrigin() {
  Courier courier(link);
  bool token_tried = false;  // a wrong one should be known before the first terminal asks
  while (!stopping) {
    if (!token_tried && link.BackoffMs() == 0) {
      const Status answer = courier.TryToken();
      token_tried = answer.ok() || answer.error().code == ErrorCode::kRefused;
    }
    if (mirror->Due()) (void)mirror->Refresh();  // logged there
    Wait(kTickMs);
  }
}

void Edge::Parts::ScrubNowAndThen() {
  while (!stopping) {
    const ScrubReport report =
        Scrub(*catalog, counters, clock, {.bytes_per_s = options.scrub_bytes_per_s, .stop = &stopping});
    if (report.objects > 0 && report.complete) {
      log::Info("scrubbed the store",
                {{"objects", report.objects}, {"bytes", report.bytes}, {"dropped", report.units_dropped}});
    }
    Wait(kScrubEveryMs);
  }
}

Edge::Edge(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<Edge>> Edge::Start(EdgeOptions options, Clock& clock, const Fault** fault) {
  *fault = &kFolderUnusable;
  auto folder = DataFolder::Open(options.data);
  if (!folder.ok()) {
    if (folder.error().code == ErrorCode::kConflict) *fault = &kFolderLocked;
    return folder.error();
  }
  auto parts = std::make_unique<Parts>(std::move(options), clock, std::move(*folder));
  Parts& p = *parts;
  auto catalog = Catalog::Open(p.folder, p.options.catalog, p.counters, clock);
  if (!catalog.ok()) {
    if (catalog.error().code == ErrorCode::kCorrupt) *fault = &kIndexDamaged;
    return catalog.error();
  }
  p.catalog = std::move(*catalog);
  *fault = &kMetadataRefused;
  p.mirror = std::make_unique<Mirror>(p.folder, p.options.mirror, p.link, p.counters, clock);
  TILL_TRY(p.mirror->Load());
  p.ForgetWhatIsSignedOtherwise();
  *fault = &kAccessLog;
  p.access_log = TILL_TRY(AccessLog::Open(p.options.access_log, p.options.access_log_max_bytes, clock));
  p.filler = std::make_unique<Filler>(p.link, *p.catalog, p.counters, p.options.filler);
  p.handler = std::make_unique<EdgeHandler>(
      EdgeHandler::Parts{*p.catalog, *p.filler, *p.mirror, p.link, p.counters, *p.access_log, clock},
      p.options.handler);
  auto server = http::Server::Start(p.options.server, *p.handler);
  if (!server.ok()) {
    *fault =
        p.options.server.tls_cert_file.empty() || server.error().code != ErrorCode::kInvalid ? &kPortInUse : &kTlsFiles;
    p.link.Cancel();
    return server.error();
  }
  p.server = std::move(*server);
  p.threads.emplace_back([&p] { p.Tick(); });
  p.threads.emplace_back([&p] { p.FollowOrigin(); });
  p.threads.emplace_back([&p] { p.Settle(); });
  p.threads.emplace_back([&p] { p.ScrubNowAndThen(); });
  return std::unique_ptr<Edge>(new Edge(std::move(parts)));
}

uint16_t Edge::port() const { return parts_->server->port(); }
const Counters& Edge::counters() const { return parts_->counters; }
Catalog& Edge::catalog() { return *parts_->catalog; }
Mirror& Edge::mirror() { return *parts_->mirror; }
void Edge::ReopenLog() { parts_->access_log->Reopen(); }

void Edge::Stop(int64_t grace_ms) {
  Parts& p = *parts_;
  if (p.stopping.exchange(true)) return;
  p.server->Stop(grace_ms);
  p.link.Cancel();
  { const std::lock_guard lock(p.mutex); }
  p.stopped.notify_all();
  for (std::thread& thread : p.threads) thread.join();
  p.filler->Stop();
  for (const Catalog::Object& object : p.catalog->LiveObjects()) object->ForgetWaiters();
  p.catalog->Settle(true);
}

Edge::~Edge() { Stop(0); }

}  // namespace till::edge
