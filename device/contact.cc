#include "device/contact.h"

#include "core/http/client.h"
#include "device/faults.h"

namespace till::device {

Refusal ContactRefusal(const Error& error) {
  if (http::IsCertificateRefusal(error)) return Refuse(kServerCertificate, error);
  switch (error.code) {
    case ErrorCode::kUnavailable:
      return Refuse(kServerAway, error);
    case ErrorCode::kRefused:
    case ErrorCode::kNotFound:
      return Refuse(kServerRefuses, error);
    default:
      return Refuse(kServerAnswer, error);
  }
}

int ExitStatusOf(const Fault& fault) {
  if (&fault == &kServerCertificate || &fault == &kTrustRefused) return 3;
  return &fault == &kServerRefuses || &fault == &kServerAnswer ? 1 : 75;
}

}  // namespace till::device
