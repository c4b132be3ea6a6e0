// What a fleet runs: terminals per image, as the hub knows it from the attributes till.image.<component> that they
// send. Asked through the Management API with one counting query per image: nothing is listed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "packer/hub_connection.h"
#include "packer/release_record.h"

namespace till::packer {

struct FleetCensus {
  std::map<std::string, uint64_t> terminals;  // by "<component> <SHA-256 of the image>"
  std::map<std::string, uint64_t> elsewhere;  // by component: terminals that run an image of no release here

  // How many run this image; 0 when none is known to.
  uint64_t Running(const ComponentRecord& component) const;
};

// Counts for every image of `releases`.
Result<FleetCensus> AskFleet(HubConnection& hub, const std::vector<ReleaseRecord>& releases);

}  // namespace till::packer
