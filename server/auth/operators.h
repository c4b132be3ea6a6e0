// Who may use the Management API and publish: named users with a password (Basic) and tokens (Bearer).
//   Passwords are kept as scrypt PHC strings; tokens as SHA-256, which is enough for 256 random bits. A credential that
//   was verified is remembered (as an HMAC under a key of this process), so scrypt does not run at every request; at
//   most two scrypt runs go on at a time. Comparisons take constant time. Any thread, but a first Basic check takes
//   tens of ms: not on a loop thread. CheckCached() is for loops.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/kv/kv.h"

namespace till::server {

struct Operator {
  std::string name;
  bool admin = true;  // the only role of this version
};

class Operators {
 public:
  Operators(kv::Store& store, Clock& clock);

  // First start: makes the user of `bootstrap` ("user:password") or, when it is empty and nobody exists, a random admin
  // token in `token_path` (0600). Answers true when that file was written now. A bootstrap given later sets that user's
  // password anew.
  Result<bool> Bootstrap(std::string_view bootstrap, const std::string& token_path);

  // From the value of an Authorization header. kRefused: nobody; kUnavailable: too many failures lately (429).
  Result<Operator> Check(std::string_view authorization);
  // Only what was verified before in this process, or a Bearer token; nullopt: ask Check() on a worker.
  std::optional<Operator> CheckCached(std::string_view authorization);

 private:
  Result<Operator> CheckBasic(std::string_view user, std::string_view password);
  Result<Operator> CheckToken(std::string_view token);
  Bytes CacheKey(std::string_view authorization) const;
  bool MayTry();
  void NoteFailure();

  kv::Store& store_;
  Clock& clock_;
  const Bytes process_key_;
  std::mutex mutex_;
  std::mutex scrypt_mutex_[2];
  std::atomic<unsigned> next_scrypt_{0};
  unsigned failures_ = 0;
  int64_t failures_since_ms_ = 0;
  std::map<Bytes, std::string> verified_;  // bounded; emptied when full and when a password changes
};

}  // namespace till::server
