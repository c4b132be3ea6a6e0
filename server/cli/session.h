// What every command of tillctl is handed: the hub, the form of output, and one way to fail.
#pragma once

#include <functional>
#include <string>

#include "core/fault.h"
#include "server/cli/hub_client.h"
#include "server/cli/output.h"

namespace till::cli {

struct GlobalOptions {
  std::string context;
  std::string output = "table";
  bool json = false;
};

OutputForm FormOf(const GlobalOptions& options);

class Session {
 public:
  Session(HubClient hub, OutputForm form) : hub_(std::move(hub)), form_(form) {}
  HubClient& hub() { return hub_; }
  OutputForm form() const { return form_; }

  // Prints the fault that fits a hub's Error, with what was asked; answers the exit code (1; 75 when it may be tried
  // again).
  int FailHub(const Error& error) const;

 private:
  HubClient hub_;
  OutputForm form_;
};

// What a failed question to the hub is to a person.
const Fault& HubFault(const Error& error);

// Prints a fault on stderr; answers exit code 1, or 75 when the cause may pass by itself.
int Fail(const Fault& fault, std::string_view context, const Error* error = nullptr);

// The same for what the caller gave: answers 2.
int FailUsage(const Fault& fault, std::string_view context, const Error* error = nullptr);

// Opens the chosen context and runs the command in it; prints the fault when there is none.
int WithSession(const GlobalOptions& options, const std::function<int(Session&)>& command);

}  // namespace till::cli
