#include "packer/fleet_census.h"

namespace till::packer {
namespace {

std::string KeyOf(const ComponentRecord& component) {
  return component.component + " " + ToHex(component.image_sha256);
}

Result<uint64_t> Count(HubConnection& hub, const std::string& component, const std::string& image) {
  const std::string query = "attribute.till.image." + component + "==" + image;
  const json::Value page = TILL_TRY(hub.SendJson("GET", "/rest/v1/targets?limit=1&q=" + EncodeQuery(query)));
  const int64_t total = TILL_TRY(page.RequireInteger("total"));
  return static_cast<uint64_t>(total < 0 ? 0 : total);
}

}  // namespace

uint64_t FleetCensus::Running(const ComponentRecord& component) const {
  const auto found = terminals.find(KeyOf(component));
  return found == terminals.end() ? 0 : found->second;
}

Result<FleetCensus> AskFleet(HubConnection& hub, const std::vector<ReleaseRecord>& releases) {
  FleetCensus census;
  std::map<std::string, uint64_t> known;
  for (const ReleaseRecord& release : releases) {
    for (const ComponentRecord& component : release.components) {
      const auto [entry, is_new] = census.terminals.emplace(KeyOf(component), 0);
      if (!is_new) continue;  // two versions may share an image
      entry->second = TILL_TRY(Count(hub, component.component, ToHex(component.image_sha256)));
      known[component.component] += entry->second;
    }
  }
  for (const auto& [component, counted] : known) {
    const uint64_t all = TILL_TRY(Count(hub, component, "*"));
    if (all > counted) census.elsewhere[component] = all - counted;
  }
  return census;
}

}  // namespace till::packer
