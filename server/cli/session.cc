#include "server/cli/session.h"

#include <cstdio>

#include "server/cli/faults.h"

namespace till::cli {

int Fail(const Fault& fault, std::string_view context, const Error* error) {
  std::fputs(FormatFault(fault, context, error).c_str(), stderr);
  return error != nullptr && error->code == ErrorCode::kUnavailable ? 75 : 1;
}

int Session::FailHub(const Error& error) const {
  const bool network = error.code == ErrorCode::kUnavailable;
  const Fault& fault = network ? kHubUnreachable : error.code == ErrorCode::kNotFound ? kNotFound : kHubRefused;
  return Fail(fault, hub_.error_context(), &error);
}

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
