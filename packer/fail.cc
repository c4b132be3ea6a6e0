#include <cstdio>

#include "core/http/tls_probe.h"
#include "delta/diff/profile.h"
#include "packer/commands.h"
#include "packer/faults.h"
#include "packer/hub_connection.h"

namespace till::packer {

HubVerdict JudgeHubError(const Error& error, const Fault& otherwise) {
  if (http::IsCertificateRefusal(error)) return {&kHubNotTrusted, kExitFailed};
  if (http::IsSpeaksTls(error)) return {&kHubSpeaksTls, kExitFailed};
  if (error.code == ErrorCode::kUnavailable) return {&otherwise, kExitTryAgain};
  if (error.code == ErrorCode::kLimit && error.detail == kHubFullStatus) return {&kHubFull, kExitFailed};
  if (error.code != ErrorCode::kRefused) return {&otherwise, kExitFailed};
  const bool token = error.detail == 401 || error.detail == 403;
  return token ? HubVerdict{&kTokenRefused, kExitFailed} : HubVerdict{&kHubUnverified, kExitVerification};
}

std::string UnknownProfile(const std::string& given) {
  return "--profile " + given + " is none of " + std::string(delta::ProfileNames());
}

int Fail(const GlobalOptions& options, int exit_code, const Fault& fault, std::string_view context,
         const Error* error) {
  const std::string text =
      options.json ? FormatFaultJson(fault, context, error) + "\n" : FormatFault(fault, context, error);
  std::fputs(text.c_str(), stderr);
  const bool may_pass =
      error != nullptr && error->code == ErrorCode::kUnavailable && !http::IsCertificateRefusal(*error);
  return may_pass ? kExitTryAgain : exit_code;
}

}  // namespace till::packer
