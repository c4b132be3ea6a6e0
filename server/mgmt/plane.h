// The operators' plane: CivetWeb worker threads that answer the Management API, on loopback only, for the front alone.
//   Whoever calls must send the secret that is made afresh at each start (X-Till-Front); anything else is 403 before a
//   byte of it is looked at. The path and query travel in X-Till-Target, never in the request line, so CivetWeb's own
//   reading of URLs (which decodes and cleans them) has no part in what is served. No TLS, no files, no CGI, no
//   keep-alive: a thread is held for one request only. Bounds: kThreads threads, 8 MiB of body, 30 s per read. Why
//   CivetWeb here and nowhere else: docs/architecture.md, decision 6.
#pragma once

#include <memory>
#include <string>

#include "server/hub.h"

namespace till::mgmt {

inline constexpr uint64_t kMaxManagementBodyBytes = uint64_t{8} << 20;
inline constexpr const char* kFrontHeader = "X-Till-Front";    // the secret
inline constexpr const char* kTargetHeader = "X-Till-Target";  // "/rest/v1/targets?q=…", as the client sent it
inline constexpr const char* kOriginHeader = "X-Till-Origin";  // "https://hub.example", for links
inline constexpr const char* kClientHeader = "X-Till-Client";  // the client's address

class Plane {
 public:
  // Listens on 127.0.0.1 on a port that the system chooses. kUnsupported when the library is not what we need, kIo when
  // it does not start. `hub` outlives the plane.
  static Result<std::unique_ptr<Plane>> Start(server::Hub& hub);
  ~Plane();  // waits for what is running

  uint16_t port() const;
  const std::string& secret() const;

 private:
  struct Impl;
  explicit Plane(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace till::mgmt
