#include "server/cli/session.h"

#include <cstdio>

#include "core/http/tls_probe.h"
#include "server/cli/faults.h"

namespace till::cli {

OutputForm FormOf(const GlobalOptions& options) {
  if (options.json || options.output == "json") return OutputForm::kJson;
  return options.output == "name" ? OutputForm::kName : OutputForm::kTable;
}

int Fail(const Fault& fault, std::string_view context, const Error* error) {
  std::fputs(FormatFault(fault, context, error).c_str(), stderr);
  const bool may_pass =
      error != nullptr && error->code == ErrorCode::kUnavailable && !http::IsCertificateRefusal(*error);
  return may_pass ? 75 : 1;
}

int FailUsage(const Fault& fault, std::string_view context, const Error* error) {
  Fail(fault, context, error);
  return 2;
}

const Fault& HubFault(const Error& error) {
  if (http::IsCertificateRefusal(error)) return kHubNotTrusted;
  if (http::IsSpeaksTls(error)) return kHubSpeaksTls;
  if (error.code == ErrorCode::kUnavailable) return kHubUnreachable;
  if (error.code == ErrorCode::kConflict) return kTakenAlready;
  if (error.code == ErrorCode::kRefused) return kTokenRefused;
  if (error.code == ErrorCode::kLimit && error.detail == kHubFullStatus) return kHubFull;
  return error.code == ErrorCode::kNotFound ? kNotFound : kHubRefused;
}

int Session::FailHub(const Error& error) const { return Fail(HubFault(error), hub_.error_context(), &error); }

int WithSession(const GlobalOptions& options, const std::function<int(Session&)>& command) {
  Result<Context> context = ChooseContext(options.context);
  if (!context.ok()) {
    const bool none = context.error().code == ErrorCode::kNotFound;
    const Fault& fault = !none ? kBadContextFile : options.context.empty() ? kNoContext : kNoSuchContext;
    return Fail(fault, options.context, &context.error());
  }
  Session session(HubClient(*std::move(context)), FormOf(options));
  return command(session);
}

}  // namespace till::cli
