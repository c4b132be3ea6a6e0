#include "device/doctor.h"

#include "core/file.h"
#include "core/text.h"
#include "device/faults.h"

namespace till::device {
namespace {

constexpr int64_t kYear2026UnixS = 1'767'225'600;

void Good(std::vector<Finding>& findings, std::string text) { findings.push_back({true, std::move(text), nullptr}); }

void Bad(std::vector<Finding>& findings, const Fault& fault, const std::string& context) {
  findings.push_back({false, Refuse(fault, context).Reason(), &fault});
}

void Bad(std::vector<Finding>& findings, const Fault& fault, const Error& error) {
  Bad(findings, fault, log::Describe(error));
}

void ExamineSlots(const Config& config, SlotId running, SlotBank& slots, std::vector<Finding>& findings) {
  const auto reading = slots.OpenForReading(running);
  if (!reading.ok()) return Bad(findings, kSlotUnusable, reading.error());
  const auto spare = slots.OpenSpare(OtherSlot(running), running);
  if (!spare.ok()) return Bad(findings, kSlotUnusable, spare.error());
  Good(findings, "board " + config.board + ", running slot " + SlotName(running) + ", spare slot " +
                     SlotName(OtherSlot(running)) + " (" + FormatSize((*spare)->size()) + ")");
}

void ExamineRecord(BootControl& boot, std::vector<Finding>& findings) {
  const auto read = boot.Read();
  if (!read.ok()) return Bad(findings, kBootRecord, read.error());
  if (!read->found) return Bad(findings, kBootRecord, "neither copy is valid");
  const Status round_trip = boot.RoundTrip();
  if (!round_trip.ok()) return Bad(findings, kBootRecord, round_trip.error());
  const bool both = read->valid[0] && read->valid[1];
  Good(findings, std::string("boot record: ") + (both ? "both copies valid" : "one copy valid") +
                     ", write and read round trip done, floor " + std::to_string(read->record.floor));
}

void ExamineImage(Journal& journal, const Config& config, SlotId running, std::vector<Finding>& findings) {
  const Status loaded = journal.Load();
  if (!loaded.ok()) return Bad(findings, kJournal, loaded.error());
  const SlotImage& image = journal.state().slot(running);
  if (!image.known) return Bad(findings, kImageUnknown, std::string("slot ") + SlotName(running));
  auto slot = OpenSlotForReading(running == SlotId::kA ? config.slot_a : config.slot_b);
  if (!slot.ok()) return Bad(findings, kSlotUnusable, slot.error());
  ImageInSlot view(**slot, image.length_bytes);
  const auto digest = crypto::Sha256OfSource(view);
  if (!digest.ok() || *digest != image.sha256) return Bad(findings, kImageChanged, image.version);
  Good(findings, "image " + image.version + " (" + ToHex(image.sha256).substr(0, 16) + "), hash checked");
}

}  // namespace

std::vector<Finding> Examine(const Config& config, const std::string& token, SlotId running, Parts parts) {
  std::vector<Finding> findings;
  ExamineSlots(config, running, *parts.slots, findings);
  BootControl boot(std::move(parts.boot_record));
  ExamineRecord(boot, findings);
  Journal journal(std::move(parts.journal));
  ExamineImage(journal, config, running, findings);
  if (parts.clock->UnixMs() / 1000 < kYear2026UnixS) {
    Bad(findings, kClockUnknown, FormatUtc(parts.clock->UnixMs() / 1000));
  } else {
    Good(findings, "clock " + FormatUtc(parts.clock->UnixMs() / 1000));
  }
  const auto root = ReadTextFile(config.trusted_root);
  if (!root.ok()) {
    Bad(findings, kTrustRefused, config.trusted_root);
  } else {
    Good(findings, "trusted root " + config.trusted_root);
  }
  DdiClient ddi(config, token, nullptr);
  const auto polled = ddi.Poll(true);
  if (!polled.ok()) {
    const bool refused = polled.error().code == ErrorCode::kRefused;
    Bad(findings, refused ? kServerRefuses : kServerAnswer, polled.error());
  } else {
    Good(findings, "server " + config.server + " knows " + config.controller_id);
  }
  return findings;
}

}  // namespace till::device
