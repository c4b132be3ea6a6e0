// tilledge: parses its arguments, puts the parts together, waits for a signal.
#include <csignal>
#include <cstdio>

#include "cdn-edge/command_line.h"
#include "cdn-edge/faults.h"
#include "cdn-edge/scrub.h"
#include "core/commands/command_line.h"
#include "core/json/json.h"
#include "core/log.h"
#include "core/text.h"

namespace till::edge {
namespace {

constexpr int64_t kGraceMs = 2'000;

int Report(const Fault& fault, const std::string& context, const Error& error) {
  std::fprintf(stderr, "%s", FormatFault(IsDiskFull(error) ? kNoRoom : fault, context, &error).c_str());
  if (error.code == ErrorCode::kConflict) return 6;
  return error.code == ErrorCode::kInvalid ? 2 : 1;
}

// The value that a fault of the start speaks of.
std::string WhatItIsAbout(const Fault& fault, const EdgeOptions& options) {
  if (&fault == &kPortInUse) return options.server.address + ":" + std::to_string(options.server.port);
  if (&fault == &kTlsFiles) return options.server.tls_cert_file + " with the key " + options.server.tls_key_file;
  if (&fault == &kAccessLog) return options.access_log;
  const bool has_root = !options.mirror.trusted_root_file.empty();
  return &fault == &kMetadataRefused && has_root ? options.mirror.trusted_root_file : options.data;
}

int Serve(EdgeOptions options) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread: only sigwait() below meets them
  const EdgeOptions given = options;
  const std::string& address = given.server.address;
  const bool tls = !given.server.tls_cert_file.empty();
  const Fault* fault = nullptr;
  auto edge = Edge::Start(std::move(options), SystemClock(), &fault);
  if (!edge.ok()) return Report(*fault, WhatItIsAbout(*fault, given), edge.error());
  const std::string host = address.find(':') == std::string::npos ? address : "[" + address + "]";
  json::Value ready;
  ready.Set("event", "ready");
  ready.Set("program", "tilledge");
  ready.Set("url", (tls ? "https://" : "http://") + host + ":" + std::to_string((*edge)->port()));
  std::printf("%s\n", json::Write(ready).c_str());
  std::fflush(stdout);
  for (int received = SIGHUP; received == SIGHUP;) {
    sigwait(&signals, &received);
    if (received == SIGHUP) (*edge)->ReopenLog();
  }
  (*edge)->Stop(kGraceMs);
  return 0;
}

// The store alone, for the commands that look after it.
struct OfflineStore {
  DataFolder folder;
  Counters counters;
  std::unique_ptr<Catalog> catalog;
};
int OpenStore(const std::string& data, std::unique_ptr<OfflineStore>& store) {
  auto folder = FileExists(data) ? DataFolder::Open(data) : Error{ErrorCode::kNotFound, "no such folder"};
  if (!folder.ok()) {
    const bool locked = folder.error().code == ErrorCode::kConflict;
    return Report(locked ? kFolderLocked : kFolderUnusable, data, folder.error());
  }
  store.reset(new OfflineStore{std::move(*folder), {}, nullptr});
  auto catalog = Catalog::Open(store->folder, {.max_bytes = UINT64_MAX}, store->counters, SystemClock());
  if (!catalog.ok()) return Report(kIndexDamaged, data, catalog.error());
  store->catalog = std::move(*catalog);
  return 0;
}

int ScrubStore(const CommandLine& line) {
  std::unique_ptr<OfflineStore> store;
  if (const int status = OpenStore(line.edge.data, store); status != 0) return status;
  const ScrubReport report = Scrub(*store->catalog, store->counters, SystemClock(), {.bytes_per_s = 0});
  if (line.json) {
    json::Value value;
    value.Set("objects", report.objects);
    value.Set("bytes", report.bytes);
    value.Set("dropped", report.units_dropped);
    std::printf("%s\n", json::Write(value).c_str());
  } else {
    std::printf("%llu objects, %s hashed, %llu chunks dropped\n", static_cast<unsigned long long>(report.objects),
                FormatSize(report.bytes).c_str(), static_cast<unsigned long long>(report.units_dropped));
  }
  return report.units_dropped == 0 ? 0 : 3;
}

int ListStore(const CommandLine& line) {
  std::unique_ptr<OfflineStore> store;
  if (const int status = OpenStore(line.edge.data, store); status != 0) return status;
  if (!line.json) std::printf("%-64s  %10s  %10s  %-6s  %s\n", "OBJECT", "SIZE", "STORED", "KIND", "LAST USED");
  for (const IndexRecord& record : store->catalog->Records()) {
    const std::string name = ToHex(record.identity.name);
    const char* kind = record.identity.plain() ? "plain" : "signed";
    if (!line.json) {
      std::printf("%-64s  %10s  %10s  %-6s  %s\n", name.c_str(), FormatSize(record.identity.size).c_str(),
                  FormatSize(record.stored_bytes).c_str(), kind, FormatUtc(record.used_unix_s).c_str());
      continue;
    }
    json::Value item;
    item.Set("object", name);
    item.Set("size", record.identity.size);
    item.Set("stored", record.stored_bytes);
    item.Set("complete", record.complete);
    item.Set("kind", kind);
    item.Set("stored_since", FormatUtc(record.stored_unix_s));
    item.Set("used", FormatUtc(record.used_unix_s));
    std::printf("%s\n", json::Write(item).c_str());
  }
  return 0;
}

}  // namespace
}  // namespace till::edge

int main(int argc, char** argv) {
  till::log::Configure("tilledge", till::log::Level::kInfo, till::log::Format::kText);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its limit is a full disk to us, no reason to die
  const till::edge::ParsedCommandLine parsed = till::edge::ParseCommandLine(argc, argv);
  if (!parsed.command_line) return parsed.exit_status;
  int status = 2;
  switch (parsed.command_line->command) {
    case till::edge::Command::kServe:
      status = till::edge::Serve(parsed.command_line->edge);
      break;
    case till::edge::Command::kScrub:
      status = till::edge::ScrubStore(*parsed.command_line);
      break;
    case till::edge::Command::kList:
      status = till::edge::ListStore(*parsed.command_line);
      break;
  }
  return till::commands::EndAfterPrinting(status);
}
