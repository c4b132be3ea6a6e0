#include "core/http/tls_probe.h"

#include <string>

#include "core/http/client.h"

namespace till::http {

bool SpeaksTlsInstead(std::string_view url) {
  constexpr std::string_view kPlain = "http://";
  constexpr int64_t kPatienceMs = 3'000;
  if (!url.starts_with(kPlain)) return false;
  const std::string_view rest = url.substr(kPlain.size());
  ClientOptions options;
  options.connect_timeout_ms = kPatienceMs;
  options.total_timeout_ms = kPatienceMs;
  Client client(options);
  const Result<Reply> reply =
      client.Send({.method = "HEAD", .url = "https://" + std::string(rest.substr(0, rest.find('/'))) + "/"});
  return reply.ok() || IsCertificateRefusal(reply.error());
}

}  // namespace till::http
