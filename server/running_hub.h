// tillhub serving: opens the data folder, wires the parts, listens. One per process and data folder (a lock sees to
// it).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/fault.h"
#include "core/http/server.h"

namespace till::server {

struct ServeOptions {
  std::string data_folder;
  std::string address = "127.0.0.1";
  uint16_t port = 8080;
  std::string tls_cert_file, tls_key_file;
  std::string base_url;
  std::vector<std::string> trusted_proxies;
  int64_t min_polling_s = 30;
  std::string access_log;
  std::string trusted_root_file;
  std::string edge_token_file;
  std::string bootstrap_admin;  // "user:password", from TILL_BOOTSTRAP_ADMIN
  unsigned loops = 0;
  uint32_t max_connections_per_address = 0;  // 0: an eighth of all
  uint64_t store_bytes = uint64_t{4} << 30;  // address space the store may grow to
  bool durable = true;                       // false in tests that need no power-cut safety
};

// Why serving did not begin: a fault for people, its context, and the cause when there is one.
struct StartFailure {
  const Fault* fault = nullptr;
  std::string context;
  Error error{ErrorCode::kInvalid, "", 0};
};

class RunningHub {
 public:
  // Null on failure, with `*failure` filled.
  static std::unique_ptr<RunningHub> Start(const ServeOptions& options, Clock& clock, StartFailure* failure);
  ~RunningHub();  // stops; stamps are flushed

  std::string url() const;
  uint16_t port() const;
  bool wrote_admin_token() const;  // this was the first start: DATA/admin.token holds the token
  // To be called every second or so: flushes last-seen stamps (and drives what else has a clock).
  void Tick();

 private:
  struct Parts;
  explicit RunningHub(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace till::server
