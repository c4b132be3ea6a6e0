#include "core/fault.h"

#include "core/log.h"
#include "core/text.h"

namespace till {

std::string FormatFault(const Fault& fault, std::string_view context, const Error* error) {
  std::string text = std::string("error ") + fault.code + ": " + fault.what;
  if (!context.empty()) text += ": " + Printable(context);
  if (error != nullptr) text += ": " + log::Describe(*error);
  text += std::string("\n  do:  ") + fault.mend;
  text += std::string("\n  see: docs/errors/") + fault.code + ".md\n";
  return text;
}

std::string FormatFaultJson(const Fault& fault, std::string_view context, const Error* error) {
  std::string text = std::string("{\"error\":{\"code\":\"") + fault.code + "\",\"what\":" + QuoteJson(fault.what);
  text += ",\"context\":" + QuoteJson(context);
  if (error != nullptr) text += ",\"cause\":" + QuoteJson(log::Describe(*error));
  return text + ",\"mend\":" + QuoteJson(fault.mend) + "}}";
}

}  // namespace till
