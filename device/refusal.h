// Why an offer or a payload cannot be taken: what a person sees, and what feedback reports.
#pragma once

#include <string>

#include "core/fault.h"
#include "core/log.h"

namespace till::device {

struct Refusal {
  const Fault* fault = nullptr;
  std::string context;

  // "T2015 the image is for another board: acme,pos-200"
  std::string Reason() const {
    std::string text = std::string(fault->code) + " " + fault->what;
    if (!context.empty()) text += ": " + context;
    return text;
  }
};

inline Refusal Refuse(const Fault& fault, std::string context) { return {&fault, std::move(context)}; }
inline Refusal Refuse(const Fault& fault, const Error& error) { return {&fault, log::Describe(error)}; }

}  // namespace till::device
