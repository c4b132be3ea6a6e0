// Who may use the Management API and publish: named users with a password (Basic) and tokens (Bearer).
//   A password that was verified is remembered (as an HMAC under a key of this process) together with the PHC string it
//   was right for, so scrypt does not run at every request, and an operator who was removed or has another password is
//   a stranger at the next one. scrypt runs on two threads of its own, 32 MiB and some 80 ms each; at most kMaxWaiting
//   sign-ins wait, and wrong ones back off (back_off.h). Any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/bytes.h"
#include "core/clock.h"
#include "core/http/worker_pool.h"
#include "core/kv/kv.h"
#include "server/auth/back_off.h"

namespace till::server {

struct Operator {
  std::string name;
  bool admin = true;  // the only role of this version
};

class Operators {
 public:
  static constexpr size_t kMaxWaiting = 64;

  Operators(kv::Store& store, Clock& clock);
  ~Operators() { Stop(); }
  // Ends the threads; sign-ins that still wait are told to come later. Before whoever they would call goes.
  void Stop();

  // First start: makes the user of `bootstrap` ("user:password") or, when it is empty and nobody exists, a random admin
  // token in `token_path` (0600). Answers true when that file was written now. A bootstrap given later sets that user's
  // password anew.
  Result<bool> Bootstrap(std::string_view bootstrap, const std::string& token_path);

  // Who sends this Authorization header, as far as that can be told by one look at the store: a token, or a password
  // that was verified before. On loops too.
  std::optional<Operator> Known(std::string_view authorization);

  // `done` gets who it is, or kRefused: nobody, or kUnavailable: not looked at now, detail = seconds to wait. It runs
  // before SignIn() answers when no password has to be verified, else on a thread of ours. `address`: ClientKey().
  void SignIn(std::string_view authorization, std::string_view address, std::function<void(Result<Operator>)> done);

 private:
  struct Try {
    std::string user, password;
    BackOff::Pair pair;
    Bytes cache_key;
    std::function<void(Result<Operator>)> done;
  };
  Status Queue(Try asked);
  void Verify(const Try& asked);
  Result<Operator> CheckPassword(const Try& asked);
  std::optional<Operator> KnownToken(std::string_view token);
  Bytes CacheKey(std::string_view authorization) const;

  struct Verified {
    std::string user, phc;
  };
  kv::Store& store_;
  Clock& clock_;
  const Bytes process_key_;
  std::mutex mutex_;  // guards what stands between here and the pool
  BackOff back_off_;
  bool stopping_ = false;
  std::map<Bytes, Verified> verified_;  // bounded
  std::unique_ptr<http::WorkerPool> pool_;
};

}  // namespace till::server
