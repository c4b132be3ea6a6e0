// `tilld provision`: makes a terminal out of a board, once, in the factory or at the workbench: its identity key and
// certificate request, the token, the trusted root, the slot table, the boot record. What is there already stays.
//   The key is made here and never leaves (P-256, 0600). Who signs the request puts the certificate at cert_file; until
//   then the token speaks for the terminal.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "device/adopt.h"

namespace till::device {

struct ProvisionInput {
  std::string token_file;     // copied to the configuration's token_file; "" = none
  std::string root_file;      // copied to trusted_root; "" = it is there
  bool replace_root = false;  // forget a kept root of another repository, and all that it proved
  AdoptInput adopt;           // with a version: what the slot holds
};

struct ProvisionStep {
  const char* what = "";
  bool changed = false;
  std::string text;
};

std::optional<Refusal> Provision(const Config& config, const ProvisionInput& input, Parts parts,
                                 std::vector<ProvisionStep>& steps);

}  // namespace till::device
