#include "cdn-edge/complain.h"

#include "core/log.h"

namespace till::edge {

void Complain(const Fault& fault, std::string_view context, const Error* error) {
  if (error == nullptr) return log::Warn(fault.what, {{"code", fault.code}, {"at", context}, {"do", fault.mend}});
  log::Warn(fault.what, {{"code", fault.code}, {"at", context}, {"why", *error}, {"do", fault.mend}});
}

}  // namespace till::edge
