#include "core/fault.h"

#include <unistd.h>

#include <array>

#include "core/log.h"
#include "core/text.h"

namespace till {
namespace {

// The code's page: installed beside the program (PREFIX/bin, PREFIX/share/doc/tillrace/errors), or where the sources
// have it. A terminal holds no pages.
std::string PageOf(const char* code) {
  const std::string name = std::string("errors/") + code + ".md";
  std::array<char, 1024> path;
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  std::string prefix(path.data(), length > 0 ? static_cast<size_t>(length) : 0);
  for (int up = 0; up < 2; ++up) prefix.resize(prefix.find_last_of('/') == prefix.npos ? 0 : prefix.find_last_of('/'));
  std::string page = prefix + "/share/doc/tillrace/" + name;
  if (access(page.c_str(), R_OK) == 0) return page;
  return "docs/" + name + " in Tillrace's sources";
}

}  // namespace

std::string FormatFault(const Fault& fault, std::string_view context, const Error* error) {
  std::string text = std::string("error ") + fault.code + ": " + fault.what;
  if (!context.empty()) text += ": " + Printable(context);
  if (error != nullptr) text += ": " + log::Describe(*error);
  text += std::string("\n  do:  ") + fault.mend;
  return text + "\n  see: " + PageOf(fault.code) + "\n";
}

std::string FormatFaultJson(const Fault& fault, std::string_view context, const Error* error) {
  std::string text = std::string("{\"error\":{\"code\":\"") + fault.code + "\",\"what\":" + QuoteJson(fault.what);
  text += ",\"context\":" + QuoteJson(context);
  if (error != nullptr) text += ",\"cause\":" + QuoteJson(log::Describe(*error));
  return text + ",\"mend\":" + QuoteJson(fault.mend) + "}}";
}

}  // namespace till
