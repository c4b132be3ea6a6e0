#include "server/cli/session.h"

#include <cstdio>

#include "server/cli/faults.h"

namespace till::cli {

int Fail(const Fault& fault, std::string_view context, const Error* error) {
  std::fputs(FormatFault(fault, context, error).c_str(), stderr);
  const bool may_pass =
      error != nullptr && error->code == ErrorCode::kUnavailable && !http::IsCertificateRefusal(*error);
  return may_pass ? 75 : 1;
}

const Fault& HubFault(const Error& error) {
  if (http::IsCertificateRefusal(error)) return kHubNotTrusted;
  if (error.code == ErrorCode::kUnavailable) return kHubUnreachable;
  if (error.code == ErrorCode::kLimit && error.detail == kHubFullStatus) return kHubFull;
  return error.code == ErrorCode::kNotFound ? kNotFound : kHubRefused;
}

int Session::FailHub(const Error& error) const { return Fail(HubFault(error), hub_.error_context(), &error); }

int WithSession(const GlobalOptions& options, const std::function<int(Session&)>& command) {
  Result<Context> context = ChooseContext(options.context);
  if (!context.ok()) {
    const bool none = context.error().code == ErrorCode::kNotFound;
    return Fail(none ? kNoContext : kBadContextFile, options.context, &context.error());
  }
  OutputForm form = OutputForm::kTable;
  if (options.json || options.output == "json") form = OutputForm::kJson;
  if (options.output == "name") form = OutputForm::kName;
  Session session(HubClient(*std::move(context)), form);
  return command(session);
}

}  // namespace till::cli
