#include "device/doctor.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/file.h"
#include "core/text.h"
#include "device/contact.h"
#include "device/faults.h"
#include "device/restart.h"
#include "device/root_chain.h"
#include "device/trust.h"

namespace till::device {
namespace {

constexpr int64_t kAnswerDeadlineMs = 10'000;
constexpr int64_t kMetadataDeadlineMs = 10'000;  // then no more is asked for
constexpr size_t kMostLinks = 16;                // of an offer, that are tried

void Good(std::vector<Finding>& findings, std::string text) { findings.push_back({true, std::move(text), nullptr}); }

void Bad(std::vector<Finding>& findings, const Fault& fault, const std::string& context) {
  findings.push_back(Failing(fault, context));
}

void Bad(std::vector<Finding>& findings, const Refusal& refusal) { Bad(findings, *refusal.fault, refusal.context); }

void Bad(std::vector<Finding>& findings, const Fault& fault, const Error& error) {
  Bad(findings, fault, log::Describe(error));
}

std::string SlotText(const ComponentSlots& place, SlotId slot) {
  return std::string("slot ") + SlotName(slot) + " of " + place.name + ", " +
         (slot == SlotId::kA ? place.slot_a : place.slot_b);
}

void ExamineSlots(const Config& config, SlotId running, std::vector<Finding>& findings) {
  const auto places = ComponentsOf(config);
  uint64_t spare_bytes = 0;
  for (size_t i = 0; places.ok() && i < places->size(); i++) {
    const ComponentSlots& place = (*places)[i];
    const auto slots = SlotsAt(place.slot_a, place.slot_b);
    const auto reading = slots->OpenForReading(running);
    const auto spare = slots->OpenSpare(OtherSlot(running), running);
    const SlotId bad = reading.ok() ? OtherSlot(running) : running;
    if (!reading.ok() || !spare.ok()) {
      const Error& error = reading.ok() ? spare.error() : reading.error();
      return Bad(findings, kSlotUnusable, SlotText(place, bad) + ": " + log::Describe(error));
    }
    if (i == 0) spare_bytes = (*spare)->size();
  }
  Good(findings, "board " + config.board + ", running slot " + SlotName(running) + ", spare slot " +
                     SlotName(OtherSlot(running)) + " (" + FormatSize(spare_bytes) + ")");
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
  if (!slot.ok()) {
    return Bad(
        findings, kSlotUnusable,
        SlotText({config.component, config.slot_a, config.slot_b}, running) + ": " + log::Describe(slot.error()));
  }
  ImageInSlot view(**slot, image.length_bytes);
  const auto digest = crypto::Sha256OfSource(view);
  if (!digest.ok() || *digest != image.sha256) return Bad(findings, kImageChanged, image.version);
  Good(findings, "image " + image.version + " (" + ToHex(image.sha256).substr(0, 16) + "), hash checked");
}

// Journal, metadata and status are written there; a full partition shows only when something is written.
void ExamineDataFolder(const Config& config, std::vector<Finding>& findings) {
  const std::string probe = config.data_dir + "/doctor.probe";
  const Bytes page(4096);
  const Status written = WriteFileAtomically(probe, page, 0600);
  unlink(probe.c_str());
  if (!written.ok()) return Bad(findings, kDataFolder, config.data_dir + ": " + log::Describe(written.error()));
  Good(findings, "data folder " + config.data_dir + " can be written");
}

// Whoever runs this must be who config.board says: exactly, as the releases will be compared.
void ExamineBoard(const Config& config, std::vector<Finding>& findings) {
  for (const char* path : {"/tmp/sysinfo/board_name", "/proc/device-tree/compatible"}) {
    const auto text = ReadTextFile(path, 4096);
    if (!text.ok()) continue;
    std::string names = *text;
    std::replace(names.begin(), names.end(), '\0', '\n');
    for (const std::string_view name : Split(names, '\n')) {
      if (Trim(name) == config.board) return Good(findings, "board is " + config.board + ", as " + path + " says");
    }
    return Bad(findings, kWrongBoard, std::string(path) + " says " + Printable(Trim(names)));
  }
}

void ExamineChecks(const Config& config, std::vector<Finding>& findings) {
  if (config.health_dir.empty()) return Good(findings, "no health checks: every image that comes up is confirmed");
  size_t count = 0;
  DIR* folder = opendir(config.health_dir.c_str());
  if (folder == nullptr) return Bad(findings, kHealthFolder, config.health_dir);
  while (const dirent* entry = readdir(folder)) {
    const std::string path = config.health_dir + "/" + entry->d_name;
    struct stat about;
    if (entry->d_name[0] == '.' || stat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    if (access(path.c_str(), X_OK) == 0) {
      count++;
    } else {
      Bad(findings, kHealthFolder, path + " is not executable");
    }
  }
  closedir(folder);
  if (count == 0) {
    const char* then = HealthRequired(config) ? ": every update will be rolled back" : "";
    return Bad(findings, kHealthFolder, config.health_dir + " holds no check" + then);
  }
  Good(findings, std::to_string(count) + " health checks in " + config.health_dir);
}

// Settings and secrets outlive every switch because they are in no slot.
void ExamineKept(const Config& config, std::vector<Finding>& findings) {
  const auto components = ComponentsOf(config);
  for (const std::string& path : {config.data_dir, config.token_file, config.key_file, config.trusted_root}) {
    struct stat kept;
    if (path.empty() || stat(path.c_str(), &kept) != 0) continue;
    for (const ComponentSlots& slots : *components) {
      for (const std::string& slot : {slots.slot_a, slots.slot_b}) {
        struct stat about;
        const bool device = stat(slot.c_str(), &about) == 0 && S_ISBLK(about.st_mode);
        if (!device || about.st_rdev != kept.st_dev) continue;
        std::string where = path;
        return Bad(findings, kKeptInSlot, where.append(" lies in ").append(slot));
      }
    }
  }
  struct stat secret;
  for (const std::string& path : {config.token_file, config.key_file}) {
    if (!path.empty() && stat(path.c_str(), &secret) == 0 && (secret.st_mode & 077) != 0) {
      char mode[8];
      snprintf(mode, sizeof mode, "%04o", static_cast<unsigned>(secret.st_mode & 07777));
      return Bad(findings, kSecretOpen, path + ", mode " + mode + ": chmod 600 " + path);
    }
  }
  Good(findings, "settings and secrets are kept outside the slots");
}

void ExamineRestart(const Config& config, std::vector<Finding>& findings) {
  if (config.reboot == "exit") return Good(findings, "restart: tilld ends with 10, whoever started it restarts");
  const Status there = LookForRestart(config.reboot);
  if (!there.ok()) {
    return Bad(findings, kRestartMissing, "reboot = " + config.reboot + ": " + log::Describe(there.error()));
  }
  Good(findings, "restart: " + config.reboot);
}

void ExamineDownloader(const Config& config, SlotId running, std::vector<Finding>& findings) {
  ConfinedFetcher fetcher(FetcherOptions(config));
  const auto probe = fetcher.TryToWrite(running == SlotId::kA ? config.slot_b : config.slot_a);
  if (!probe.ok()) return Bad(findings, kNotConfined, probe.error());
  if (probe->open_error == 0) return Bad(findings, kNotConfined, "it can open the spare slot for writing");
  Good(findings, std::string("the downloading process cannot write to the slots (") +
                     (probe->confined.user_dropped ? "user " + config.download_user + ", " : "") +
                     (probe->confined.filtered ? "seccomp)" : "no seccomp here)"));
}

// Answers the root that counts here, "" when none does.
std::string ExamineRoot(const Config& config, std::vector<Finding>& findings) {
  const auto given = ReadTextFile(config.trusted_root, 64 << 10);
  if (!given.ok()) return Bad(findings, kTrustRefused, config.trusted_root), "";
  const auto sound = IsSameRepository(*given, *given);
  if (!sound.ok()) {
    return Bad(findings, kTrustRefused, config.trusted_root + ": " + log::Describe(sound.error())), "";
  }
  const auto kept = ReadKeptRoot(config);
  const auto same = kept.ok() ? IsSameRepository(*kept, *given) : Result<bool>(kept.error());
  const bool outweighed = same.ok();  // a kept one that is no root any more gives way
  if (outweighed && !*same) {
    Bad(findings, kOtherRoot, config.trusted_root + " and " + TrustFolder(config) + "/root.json");
  } else {
    Good(findings, "trusted root " + config.trusted_root + (outweighed ? ", the one kept here follows from it" : ""));
  }
  return outweighed ? *kept : *given;
}

// What an offer will be believed by. A server that has none (a stock hawkBit) brings it with the release.
void ExamineMetadata(const Config& config, const std::string& root, DdiClient& ddi, Clock& clock,
                     std::vector<Finding>& findings) {
  const int64_t until_ms = clock.MonotonicMs() + kMetadataDeadlineMs;
  bool served = true;
  const auto fetch = [&](const std::string& name, uint64_t max_bytes) -> Result<std::string> {
    if (clock.MonotonicMs() > until_ms) return Error{ErrorCode::kUnavailable, "the signed metadata took too long"};
    auto text = ddi.GetMetadata(name, max_bytes);
    if (name == "timestamp.json") served = text.ok() || text.error().code != ErrorCode::kNotFound;
    return text;
  };
  const auto kept = ReadTextFile(TrustFolder(config) + "/timestamp.json", 64 << 10);
  const auto look = LookAtRepository(root, kept.ok() ? *kept : "", fetch, clock);
  if (look.ok()) {
    return Good(findings, "its signed metadata follows from the trusted root: root " +
                              std::to_string(look->root_version) + ", timestamp " +
                              std::to_string(look->timestamp_version) + ", good until " +
                              FormatUtc(look->expires_unix_s));
  }
  const Error& error = look.error();
  if (!served) {
    return Good(findings, "it serves no signed metadata: a release is believed only with release.tuf beside it");
  }
  const bool away = error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kInvalid;
  if (away) return Bad(findings, ContactRefusal(error, ddi.metadata_url()));
  Bad(findings, Trust::IsExpiry(error) ? kTrustExpired : kTrustRefused, error);
}

// Would a release be taken here at all? Judged by what the server signs now, or offline by what is kept.
void ExamineIdentity(const Config& config, Trust& trust, std::vector<Finding>& findings) {
  TerminalFacts facts;
  facts.board = config.board;
  facts.product = config.product;
  facts.component = config.component;
  if (const auto refusal = trust.CheckIdentity(facts)) return Bad(findings, *refusal);
  Good(findings, "board and product: no signed image speaks against " + config.board + ", " + config.product);
}

void ExamineServedIdentity(const Config& config, const std::string& root, DdiClient& ddi, Clock& clock,
                           std::vector<Finding>& findings) {
  const std::string folder = config.run_dir + "/doctor.tuf";
  const auto trust = Trust::Open(folder, root, clock);
  const auto fetch = [&](const std::string& name, uint64_t max_bytes) { return ddi.GetMetadata(name, max_bytes); };
  if (trust.ok() && (*trust)->Refresh(fetch).ok()) ExamineIdentity(config, **trust, findings);
  for (const char* role : {"root", "timestamp", "snapshot", "targets", "deltas"}) {
    unlink((folder + "/" + role + ".json").c_str());
  }
  rmdir(folder.c_str());
}

// One byte of what a link leads to, by the process that will download it.
void ExamineLink(const Config& config, ConfinedFetcher& fetcher, const PayloadSource& source, uint64_t size_bytes,
                 std::vector<Finding>& findings) {
  const auto status = fetcher.Fetch(source, {0, size_bytes, 1}, [](ByteView) { return Ok(); });
  const Status judged = status.ok() ? JudgeHttpStatus(*status) : Status(status.error());
  if (!judged.ok()) return Bad(findings, LinkRefusal(judged.error(), source.url, config.server));
  Good(findings, "link " + ShownUrl(source.url));
}

// The links that the server hands out are as much a part of an update as the server is.
void ExamineLinks(const Config& config, const BaseAnswer& answer, DdiClient& ddi, std::vector<Finding>& findings) {
  if (!answer.cancel_url.empty()) {
    const auto stop = ddi.GetCancel(answer.cancel_url);
    if (!stop.ok()) return Bad(findings, LinkRefusal(stop.error(), answer.cancel_url, config.server));
  }
  if (answer.deployment_url.empty()) return;
  const auto offered = ddi.GetDeployment(answer.deployment_url);
  if (!offered.ok()) return Bad(findings, LinkRefusal(offered.error(), answer.deployment_url, config.server));
  ConfinedFetcher fetcher(FetcherOptions(config));
  size_t left = kMostLinks;
  for (const DdiChunk& chunk : offered->chunks) {
    for (const DdiArtifact& artifact : chunk.artifacts) {
      std::vector<std::string> urls;
      if (&artifact == &chunk.artifacts.front()) {
        for (const std::string& mirror : chunk.mirrors) urls.push_back(MirrorUrl(mirror, artifact.sha256));
      }
      if (!artifact.url.empty()) urls.push_back(artifact.url);
      for (const std::string& url : urls) {
        if (left == 0) return;
        left--;
        ExamineLink(config, fetcher, {url, ddi.HeadersFor(url)}, artifact.size_bytes, findings);
      }
    }
  }
}

void ExamineServer(const DoctorInput& input, const std::string& root, Clock& clock, std::vector<Finding>& findings) {
  const Config& config = input.config;
  DdiClient ddi(config, input.token, nullptr, nullptr, kAnswerDeadlineMs);
  const auto polled = ddi.Poll(true);
  if (polled.ok()) {
    Good(findings, "server " + config.server + " knows " + config.controller_id);
    if (*polled) ExamineLinks(config, **polled, ddi, findings);
  } else {
    Bad(findings, ContactRefusal(polled.error(), config.server));
  }
  const bool there = polled.ok() || ContactRefusal(polled.error(), config.server).fault == &kServerRefuses;
  if (!there || root.empty()) return;
  ExamineMetadata(config, root, ddi, clock, findings);
  ExamineServedIdentity(config, root, ddi, clock, findings);
}

}  // namespace

Finding Failing(const Fault& fault, const std::string& context) {
  return {false, Refuse(fault, context).Reason(), &fault};
}

std::vector<Finding> Examine(const DoctorInput& input, Parts parts) {
  const Config& config = input.config;
  std::vector<Finding> findings;
  ExamineSlots(config, input.running, findings);
  ExamineBoard(config, findings);
  ExamineDataFolder(config, findings);
  if (parts.boot_record) {
    BootControl boot(std::move(parts.boot_record));
    ExamineRecord(boot, findings);
  }
  if (parts.journal) {
    Journal journal(std::move(parts.journal));
    ExamineImage(journal, config, input.running, findings);
  }
  if (Trust::IsTooEarly(parts.clock->UnixMs() / 1000)) {
    Bad(findings, kClockUnknown, FormatUtc(parts.clock->UnixMs() / 1000));
  } else {
    Good(findings, "clock " + FormatUtc(parts.clock->UnixMs() / 1000));
  }
  const std::string root = ExamineRoot(config, findings);
  ExamineChecks(config, findings);
  ExamineKept(config, findings);
  ExamineRestart(config, findings);
  ExamineDownloader(config, input.running, findings);
  if (!input.offline) {
    ExamineServer(input, root, *parts.clock, findings);
  } else if (const auto kept = Trust::Open(TrustFolder(config), "", *parts.clock); kept.ok()) {
    ExamineIdentity(config, **kept, findings);
  }
  return findings;
}

}  // namespace till::device
