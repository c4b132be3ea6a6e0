#include "device/contact.h"

#include <algorithm>

#include "core/http/client.h"
#include "core/text.h"
#include "device/faults.h"

namespace till::device {
namespace {

constexpr size_t kShownUrlBytes = 200;
constexpr size_t kShownLinks = 4;

bool LeadsNowhere(const Error& error) {
  return error.code == ErrorCode::kNotFound || error.code == ErrorCode::kRefused || error.code == ErrorCode::kInvalid;
}

std::string Told(std::string_view url, const Error& error) { return ShownUrl(url) + ": " + log::Describe(error); }

}  // namespace

Status JudgeHttpStatus(int status) {
  const auto detail = static_cast<uint64_t>(status);
  if (status == 200 || status == 206) return Ok();
  if (status == 401 || status == 403) return Error{ErrorCode::kRefused, "the server refuses this terminal", detail};
  if (status == 404 || status == 410) return Error{ErrorCode::kNotFound, "the server does not know it", detail};
  if (status == 409 || status == 429 || status >= 500) {
    return Error{ErrorCode::kUnavailable, "the server cannot answer now", detail};
  }
  return Error{ErrorCode::kInvalid, "the server's answer is not the expected one", detail};
}

std::string_view OriginOf(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  return url.substr(0, url.find_first_of("/?#", scheme + 3));
}

std::string ShownUrl(std::string_view url) {
  return Printable(url.substr(0, std::min(url.find_first_of("?#"), kShownUrlBytes)));
}

Refusal ContactRefusal(const Error& error, std::string_view url) {
  if (http::IsCertificateRefusal(error)) return Refuse(kServerCertificate, Told(url, error));
  // What a TLS port says to plain HTTP: nothing, or nothing sensible.
  const bool silent = http::GaveNoAnswer(error);
  if (url.starts_with("http://") && (silent || http::SpeaksNoHttp(error))) {
    return Refuse(silent ? kServerAway : kSpeaksNoHttp, Told(url, error) + "; if it speaks TLS, 'server' is https://");
  }
  switch (error.code) {
    case ErrorCode::kUnavailable:
      return Refuse(kServerAway, Told(url, error));
    case ErrorCode::kRefused:
    case ErrorCode::kNotFound:
      return Refuse(kServerRefuses, Told(url, error));
    default:
      return Refuse(kServerAnswer, Told(url, error));
  }
}

Refusal LinkRefusal(const Error& error, std::string_view url, std::string_view server) {
  if (LeadsNowhere(error)) return Refuse(kLinkNowhere, Told(url, error));
  if (OriginOf(url) == OriginOf(server)) return ContactRefusal(error, url);
  if (http::IsCertificateRefusal(error)) return Refuse(kLinkCertificate, Told(url, error));
  return Refuse(error.code == ErrorCode::kUnavailable ? kLinkAway : kServerAnswer, Told(url, error));
}

Refusal NobodyDelivers(const std::vector<LinkTrouble>& troubles) {
  std::string context;
  for (size_t i = 0; i < troubles.size() && i < kShownLinks; i++) {
    context += (i == 0 ? "" : "; ") + Told(troubles[i].url, troubles[i].error);
  }
  if (troubles.size() > kShownLinks) context += "; and " + std::to_string(troubles.size() - kShownLinks) + " more";
  if (troubles.empty()) return Refuse(kLinkNowhere, "the offer names no link for its payload");
  const auto all = [&](bool (*is)(const Error&)) {
    return std::all_of(troubles.begin(), troubles.end(), [&](const LinkTrouble& trouble) { return is(trouble.error); });
  };
  if (all(LeadsNowhere)) return Refuse(kLinkNowhere, context);
  return Refuse(all(http::IsCertificateRefusal) ? kLinkCertificate : kNoSource, context);
}

int ExitStatusOf(const Fault& fault) {
  for (const Fault* unverified : {&kServerCertificate, &kTrustRefused, &kLinkCertificate}) {
    if (&fault == unverified) return 3;
  }
  for (const Fault* passing :
       {&kServerAway, &kNoSource, &kLinkAway, &kTrustExpired, &kTrustMissing, &kDataFolder, &kOverBudget, &kWaits}) {
    if (&fault == passing) return 75;
  }
  return 1;
}

}  // namespace till::device
