// The whole edge in one process: store, fill, metadata, server and upkeep, put together and taken apart in order.
//   Start() answers before the origin was asked: an edge serves what it has, whatever the origin does.
//   Errors of Start: kConflict with `what` telling the folder's lock from the port; kCorrupt (index); kInvalid; kIo.
//   StartFault() names the fault that fits.
#pragma once

#include <memory>
#include <string>

#include "cdn-edge/filler.h"
#include "cdn-edge/handler.h"
#include "cdn-edge/mirror.h"
#include "core/fault.h"
#include "core/http/server.h"

namespace till::edge {

struct EdgeOptions {
  std::string data;
  OriginOptions origin;
  Mirror::Options mirror;
  Catalog::Options catalog;
  Filler::Options filler;
  HandlerOptions handler;
  http::ServerOptions server;
  std::string access_log;                    // "" = none
  uint64_t access_log_max_bytes = 64 << 20;  // then it becomes FILE.1; 0 = it grows
  uint64_t scrub_bytes_per_s = 8 << 20;      // at the start and each day, in the background
};

class Edge {
 public:
  static Result<std::unique_ptr<Edge>> Start(EdgeOptions options, Clock& clock, const Fault** fault);
  ~Edge();  // stops at once

  uint16_t port() const;
  const Counters& counters() const;
  Catalog& catalog();
  Mirror& mirror();
  // After somebody moved the access log away. Any thread.
  void ReopenLog();
  // Lets running answers end for at most grace_ms, then writes the index.
  void Stop(int64_t grace_ms);

 private:
  struct Parts;
  explicit Edge(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace till::edge
