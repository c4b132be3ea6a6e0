// Whether a server that gave no answer to http:// speaks https: so that a person is told which word to change.
#pragma once

#include <string_view>

#include "core/result.h"

namespace till::http {

// What a caller answers then. The detail is HTTP's "Upgrade Required".
inline constexpr Error kSpeaksTls{ErrorCode::kUnsupported, "the server speaks https, and the URL says http", 426};
inline bool IsSpeaksTls(const Error& error) {
  return error.code == kSpeaksTls.code && error.detail == kSpeaksTls.detail;
}

// Asks `url`, an http:// one, once by TLS without sending anything of ours: no token, and at most 3 s. True when a TLS
// server is there, whatever certificate it shows; false for every other URL and outcome.
bool SpeaksTlsInstead(std::string_view url);

}  // namespace till::http
