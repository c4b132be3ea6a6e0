// A terminal behind its hub, and what its commands say to a person.
#pragma once

#include "core/json/json.h"
#include "tests/device/terminal_for_tests.h"

namespace till::device {

class CommandsTest : public AgentBehindTest {
 protected:
  // The command's exit status; `said_` is what it printed.
  int Tilld(const std::vector<std::string>& words) { return terminal_->Tilld(words, &said_); }
  int RunOnce(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"run", "--once", "--running-slot", "a"});
    return Tilld(more);
  }
  int Doctor(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"doctor", "--running-slot", "a"});
    return Tilld(more);
  }
  bool Said(const std::string& text) const { return said_.find(text) != std::string::npos; }
  // A part of what --json prints.
  json::Value Ask(const std::string& command) {
    EXPECT_EQ(Tilld({command, "--json"}), 0) << said_;
    const auto value = json::Parse(said_);
    EXPECT_TRUE(value.ok()) << said_;
    return value.ok() ? *value : json::Value();
  }
  std::string Why() {
    EXPECT_EQ(Tilld({"why"}), 0) << said_;
    return said_;
  }

  std::string said_;
};

}  // namespace till::device
