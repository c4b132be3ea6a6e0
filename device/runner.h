// The agent's hands: performs the actions that agent.h decides, turns what came of them into events, and saves the
// state in between. Everything that touches storage comes in through Parts, so that the fault tests can stand there.
//   Thread rule: one thread. Ends by StopAsked(), by the wish for a restart, or after one cycle.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.h"
#include "device/agent.h"
#include "device/app_lock.h"
#include "device/config.h"
#include "device/confined_fetcher.h"
#include "device/contact.h"
#include "device/ddi_client.h"
#include "device/installer.h"
#include "device/journal.h"
#include "device/status.h"
#include "device/trust.h"

namespace till::device {

struct Parts {
  std::unique_ptr<RecordFile> journal;
  std::unique_ptr<RecordFile> boot_record;
  std::unique_ptr<SlotBank> slots;                    // of the component that boots
  std::vector<std::unique_ptr<SlotBank>> more_slots;  // of the others, as ComponentsOf() orders them
  Clock* clock = &SystemClock();
  // The network and the signed metadata. Null: the real ones, from the configuration.
  std::unique_ptr<UpdateServer> server;
  std::unique_ptr<PayloadFetcher> fetcher;
  std::unique_ptr<OfferJudge> judge;
  // For an offline install: see Trust::Expiry.
  Trust::Expiry expiry = Trust::Expiry::kByClock;
};
// The real ones, from the configuration's paths. Makes data_dir.
Result<Parts> OpenParts(const Config& config);

// How payloads are downloaded by this configuration.
ConfinedFetcher::Options FetcherOptions(const Config& config);

enum class RunEnd : uint8_t { kStopped, kRebootWanted, kFailed };

class Runner final : private InstallObserver {
 public:
  Runner(const Config& config, std::string token, SlotId running, Parts parts);

  // Loads the journal, hashes the running image, opens the trusted metadata. A refusal ends the program.
  std::optional<Refusal> Start();
  // `once`: one poll and whatever follows from it, then kStopped.
  RunEnd Run(bool once);
  // What kept the last cycle from its end (the server, a link, trust, the sources, an update that failed, whoever
  // objects, a slot); nullptr: nothing did.
  const Refusal* hindrance() const;
  // Whether an update ended in it, and how, as it is reported: "confirmed: 2.0.0", "runs already: 1.0.0".
  Ending ending() const { return ending_; }
  const std::string& ending_reason() const { return ending_reason_; }

 private:
  // What an action came to: an event, an end, or nothing (the next action follows).
  struct Outcome {
    std::optional<Event> event;
    std::optional<RunEnd> end;
  };

  Outcome Perform(Action action);
  Status SaveIfChanged(const AgentState& next);
  Event Make(Event::Kind kind, std::string text = {}) const;
  Outcome Emit(Event::Kind kind, std::string text = {}) const;
  Outcome EmitRefused(const Refusal& refusal);
  Result<BootView> LookAtBootRecord();
  std::optional<Refusal> RestoreBootRecord(const till_boot_copies& read);
  std::optional<Refusal> OpenTrust();
  void VerifyRunningImages();
  bool VerifyRunningImage(size_t component);
  int64_t Now() const;  // seconds since 1970, as well as they are known

  // Server.
  void Miss(const Refusal& refusal);
  void Miss(const Error& error) { Miss(ContactRefusal(error, config_.server)); }
  void MissLink(const Error& error, const std::string& url);
  void Note(const Step& step);
  void NoteContact();
  Result<std::optional<BaseAnswer>> AskForWork(bool fresh);
  void SendFeedback();
  void SendConfigData(const std::string& url);
  Outcome Poll();
  Outcome OpenDeployment(const std::string& url);
  Outcome Check();
  Outcome WithoutTrust(const Error& error);
  Status RefreshTrust();
  Status RefreshFromArtifact();
  void RefreshDaily();
  TerminalFacts Facts(size_t component, const DdiChunk& chunk) const;
  std::optional<Refusal> CheckChunk(size_t chunk);
  std::vector<Plan> CopiesNeeded(std::vector<Plan> plans) const;
  Status CheckForCancel();
  Status AskServer();

  // Who may object.
  Outcome AskInstall();
  Outcome AskSwitch();
  Outcome NotYet(const std::string& why, int64_t look_again_ms);
  bool WindowIsOpen(const std::string& window) const;
  std::optional<Outcome> AskConsent();
  void CountWireBytes(AgentState& state);
  void TakeMonthBack(AgentState& state) const;
  uint64_t BudgetLeft() const;
  int RunHook(const char* name, std::string& said);
  std::optional<Outcome> AskHook(const char* name);
  void TellHook(const char* name);

  // After a failure.
  void KeepFailure();
  std::vector<std::string> KernelDetails() const;

  // Slots and boot record.
  std::optional<Refusal> Preflight();
  std::optional<Refusal> CheckSizes();
  bool DataFolderHasRoom() const;
  Outcome Prepare();
  Outcome Install();
  Outcome Copy();
  InstallEnd RunInstaller(const AcceptedOffer& part);
  Outcome RefuseInstall(const Refusal& refusal);
  Outcome ReadBack();
  Outcome BeginTrial();
  Outcome CheckHealth();
  Outcome Confirm();
  void MarkFailed();
  void EraseSpare();
  Outcome Reboot();
  Outcome NotRestarted(const std::string& why);
  Outcome Rest(bool back_off);

  Status OnCheckpoint(const delta::Checkpoint& checkpoint, uint64_t received_bytes) override;
  Status OnBytes(uint64_t received_bytes) override;
  std::optional<InstallEnd> OnPlanned(uint64_t travel_bytes) override;

  Refusal SlotRefusal(const Error& error, size_t component, SlotId slot) const;
  const std::string& SlotPath(SlotId slot) const { return slot == SlotId::kA ? config_.slot_a : config_.slot_b; }
  SlotBank& bank(size_t component) { return component == 0 ? *slots_ : *more_slots_[component - 1]; }
  SlotId spare() const { return OtherSlot(running_); }
  void Complain(const Refusal& refusal);
  Outcome Interrupt(const Refusal& refusal);

  const Config& config_;
  std::string token_;
  SlotId running_;
  Clock& clock_;
  Journal journal_;
  BootControl boot_;
  std::unique_ptr<SlotBank> slots_;
  std::vector<std::unique_ptr<SlotBank>> more_slots_;
  std::vector<std::string> components_;  // names
  std::vector<ComponentSlots> places_;   // of the same, where their slots are
  std::unique_ptr<UpdateServer> server_;
  std::unique_ptr<PayloadFetcher> fetcher_;
  StatusFile status_;
  std::unique_ptr<OfferJudge> judge_;
  Trust::Expiry expiry_;
  AppLocks locks_;
  UniqueFd gate_;  // shut from the decision to restart on

  AgentState state_;
  BootView boot_view_;
  std::array<bool, AgentState::kMaxComponents> running_known_{};
  bool once_ = false;

  // Between polls; nothing here outlives the process.
  std::optional<Deployment> deployment_;
  std::vector<AcceptedOffer> parts_;     // of it
  size_t parts_running_ = 0;             // chunks whose image runs already
  bool full_allowed_ = false;            // for the installation under way
  uint64_t wire_bytes_ = 0;              // came over the wire and are not in the journal yet
  int64_t look_again_ms_ = 0;            // 0: at the next poll
  int64_t refresh_due_ms_ = 0;           // of the signed metadata, without an offer
  std::optional<Refusal> contact_;       // why the server was missed in this cycle
  std::optional<Refusal> hindrance_;     // what else stopped it
  std::optional<Refusal> slot_trouble_;  // the running slot cannot be read
  std::optional<Refusal> refused_;       // the last word against the action under way
  Ending ending_ = Ending::kNone;        // of the last action that ended in this cycle
  std::string ending_reason_;
  bool ask_anew_ = false;  // the server's last answer was not followed to its end: no "nothing changed" will do
  bool reached_ = false;   // the server answered in this cycle
  std::string cancel_action_;
  std::string metadata_at_;  // where the signed metadata was looked for last
  std::string sent_attributes_;
  int64_t server_sleep_s_ = 60;
  unsigned back_off_round_ = 0;
  int64_t next_look_ms_ = 0;  // when a running download asks the server again
};

}  // namespace till::device
