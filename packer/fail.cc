#include <cstdio>

#include "packer/commands.h"

namespace till::packer {

int Fail(const GlobalOptions& options, int exit_code, const Fault& fault, std::string_view context,
         const Error* error) {
  const std::string text =
      options.json ? FormatFaultJson(fault, context, error) + "\n" : FormatFault(fault, context, error);
  std::fputs(text.c_str(), stderr);
  return error != nullptr && error->code == ErrorCode::kUnavailable ? kExitTryAgain : exit_code;
}

}  // namespace till::packer
