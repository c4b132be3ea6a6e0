// What a failed exchange with the update server, or with a link that it handed out, means to a person, and to whoever
// started `tilld run --once`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "device/refusal.h"

namespace till::device {

// What an HTTP status says: kRefused (401, 403), kNotFound (404, 410), kUnavailable (409, 429, 5xx), kInvalid; the
// status is the detail. Ok for 200 and 206.
Status JudgeHttpStatus(int status);

// "https://host:port" of a URL; "" when it is none.
std::string_view OriginOf(std::string_view url);
// A URL as it may be shown: without its query, which can be a grant, and printable.
std::string ShownUrl(std::string_view url);

// The fault for an Error of UpdateServer at `url` (the configured one): away, a certificate that does not verify, a
// server that refuses this terminal, an answer that cannot be used.
Refusal ContactRefusal(const Error& error, std::string_view url);

// The same for a link that the server at `server` handed out; the link is named. What lies on the server itself and is
// not there now is the server's trouble.
Refusal LinkRefusal(const Error& error, std::string_view url, std::string_view server);

// One source of a payload, and why it did not deliver.
struct LinkTrouble {
  std::string url;
  Error error;
};
// Why nobody delivers, each link named: every link leads nowhere, or every certificate is refused, or a later try may
// do.
Refusal NobodyDelivers(const std::vector<LinkTrouble>& troubles);

// The exit status of a cycle that this kept from its end: 3 when something does not verify, 1 when somebody must mend
// it, 75 when a later try may do.
int ExitStatusOf(const Fault& fault);

}  // namespace till::device
