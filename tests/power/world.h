// A terminal and its update server in one process: a NOR chip, the real boot code (boot_choice.h), the real agent
// (device/runner.h, its journal, its installer), and in the network's place a server that keeps what it heard and
// counts every byte.
//   World is everything that outlives a power cut; copying one is cheap. Site is what stays the same: geometry, signed
//   images, payloads, the script of the server.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bootloader/boot_state.h"
#include "device/agent_state.h"
#include "tests/power/nor_sim.h"

namespace till::power {

// Sizes of the terminal's flash; everything lies on whole blocks.
struct Geometry {
  const char* name;
  uint32_t block_bytes;
  uint64_t slot_bytes;
  uint64_t image_bytes;
  uint64_t app_slot_bytes;
  uint64_t app_image_bytes;
  uint64_t frame_bytes;      // coded bytes of a frame at most, header included
  uint32_t slot_page_bytes;  // one program operation in a slot

  uint64_t boot_at() const { return 0; }
  uint64_t journal_at() const { return 2 * uint64_t{block_bytes}; }
  uint64_t slot_at(unsigned slot) const { return 4 * uint64_t{block_bytes} + slot * slot_bytes; }
  uint64_t app_at(unsigned slot) const { return slot_at(2) + slot * app_slot_bytes; }
  uint64_t chip_bytes() const { return app_at(2); }
};
extern const Geometry kOneMiB, kTiny, kReal;

// An image that the boot code's stand-in for a signed FIT knows, and the agent's metadata.
struct SignedImage {
  device::SlotImage info;
  std::shared_ptr<const Bytes> bytes;
};
SignedImage MakeImage(const std::string& version, uint32_t rollback_index, Bytes content);

struct SignedPayload {
  device::Plan plan;
  std::shared_ptr<const Bytes> file;  // as it is served
};

struct Site {
  Geometry geometry;
  unsigned start_slot = 0;  // runs images[0]; the other holds images[2], signed and below the floor
  std::string health_dir;
  std::string crashing_version;         // an image in which the agent never comes up: the watchdog resets
  std::vector<SignedImage> images;      // of the component that boots
  std::vector<SignedImage> app_images;  // of a second one; empty: there is none
  std::vector<SignedPayload> offers;    // what the server offers in its one action: the terminal chooses
  std::string sabotage;                 // a fault that the proof must find: see sabotage.h. "" for none

  uint64_t slot_at(unsigned slot) const { return geometry.slot_at(slot); }
};

// What the server remembers.
struct ServerState {
  std::string outcome;  // of the action, once it is closed: "success", "failure: ..."
  uint64_t served_bytes = 0;
  uint64_t reports = 0;
};

struct World {
  NorChip chip;
  ServerState server;
  std::shared_ptr<const Bytes> head;  // the agent's file payload.head; null: none
  uint32_t floor_seen = 0;            // the judge's memory: a floor that stood in the boot record never falls again
};

// Told of each flash operation with the rest of the world as it was then.
class Trace final : public FlashWatcher {
 public:
  // `head_path`: the agent's file, looked at before each operation.
  Trace(World& world, std::string head_path) : world_(world), head_path_(std::move(head_path)) {}
  void OnOperation(bool erase, uint64_t offset, ByteView bytes) override;
  // Something besides flash changed.
  void Changed() { changed_ = true; }
  const std::vector<FlashOp>& operations() const { return operations_; }
  void RestoreAt(size_t operation, World& out) const;

 private:
  struct Rest {
    ServerState server;
    std::shared_ptr<const Bytes> head;
  };
  void LookAtHead();

  World& world_;
  const std::string head_path_;
  uint64_t head_seen_ = 0;
  bool changed_ = true;
  std::vector<Rest> rests_;
  std::vector<FlashOp> operations_;
};

struct Verdict {
  uint64_t boots = 0;
  uint64_t not_bootable = 0;
  uint64_t unverified_boots = 0;
  uint64_t floor_ahead = 0;  // the floor above the index of the slot that counts, or fallen back
  uint64_t stuck = 0;        // did not come to rest without help
  std::string reason;        // of the first of these

  bool good() const { return not_bootable + unverified_boots + floor_ahead + stuck == 0; }
};

// The agent's only file besides flash, in its data folder; it is replaced atomically.
std::string HeadPath(const std::string& data_dir);

// The record as the agent would read it now.
till_boot_copies ReadRecord(const Site& site, NorChip& chip);
// Before a cut: what the boot record says now is what may not be lost.
void RememberFloor(const Site& site, World& world);

// A terminal at rest.
World FactoryWorld(const Site& site);

struct DriveOptions {
  Trace* trace = nullptr;
  bool stop_at_reboot = false;  // before the boot code is asked again
};
// Boots and lets the agent work until every offer is closed and nothing is left to do.
Verdict Drive(const Site& site, const std::string& data_dir, World& world, const DriveOptions& options);

struct BootChoice {
  int slot = -1;
  bool trial = false;
};
// till_boot_choose over this flash.
BootChoice Boot(const Site& site, NorChip& chip);

}  // namespace till::power
