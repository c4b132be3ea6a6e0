// The kinds of installation that the proof cuts: what stands at the start, what the server offers, how it must end.
#pragma once

#include <string>
#include <vector>

#include "tests/power/world.h"

namespace till::power {

struct Scenario {
  std::string kind;
  Site site;
  World start;
  std::string outcome;           // how the server's report must begin
  std::string version;           // what must run in the end
  std::string app_version = {};  // and beside it; "" without a second component
  // Cuts in trial boots use up tries: with several, the old image may be what remains, honestly reported.
  bool may_fall_back = false;
};

const std::vector<std::string>& Kinds();
// `data_dir` is used while an earlier part of the story is played (resume, confirm).
Scenario MakeScenario(const std::string& kind, const Geometry& geometry, const std::string& data_dir,
                      const std::string& sabotage);

// "" or what is wrong with a world that came to rest.
std::string CheckEnd(const Scenario& scenario, World& world);

}  // namespace till::power
