// A fleet in a temporary store, with terminals that answer as told. For tests of the rollout engine.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

#include "server/mgmt/target_filter.h"
#include "server/rollout/engine.h"
#include "server/store/actions.h"
#include "server/store/rollouts.h"
#include "server/store/software.h"
#include "server/store/targets.h"

namespace till::rollout {

class Fleet {
 public:
  static constexpr int64_t kNow = 1'767'225'600'000;
  const server::Actor actor{"tester", kNow};

  explicit Fleet(bool fresh = true, std::string folder = "") {
    if (folder.empty()) {
      std::string pattern = testing::TempDir() + "rollout-XXXXXX";
      folder = mkdtemp(pattern.data());
      owns_ = true;
    }
    folder_ = folder;
    kv::Store::Options options;
    options.durable = false;
    options.map_bytes = uint64_t{64} << 20;
    auto opened = kv::Store::Open(folder_ + "/store", options);
    EXPECT_TRUE(opened.ok());
    store_ = std::move(*opened);
    if (fresh) MakeSet();
  }
  ~Fleet() {
    store_.reset();
    if (owns_) std::filesystem::remove_all(folder_);
  }

  kv::Store& store() { return *store_; }
  const std::string& folder() const { return folder_; }
  server::DistributionSetId set() const { return static_cast<server::DistributionSetId>(1); }

  // Kills this process at its n-th transaction from now: inside it, before it is committed, or right after.
  void DieAt(unsigned transaction, bool inside) {
    die_at_ = transaction;
    die_inside_ = inside;
  }
  Status Update(const std::function<Status(kv::WriteTxn&)>& job) {
    const bool last = die_at_ > 0 && --die_at_ == 0;
    const Status done = store_->Update([&](kv::WriteTxn& txn) -> Status {
      TILL_TRY(job(txn));
      if (last && die_inside_) raise(SIGKILL);
      return Ok();
    });
    if (last) raise(SIGKILL);
    return done;
  }
  void Must(const std::function<Status(kv::WriteTxn&)>& job) {
    const Status done = Update(job);
    ASSERT_TRUE(done.ok()) << done.error().what;
  }

  static std::string Name(size_t index) {
    std::string number = std::to_string(index);
    return "pos-" + std::string(4 - number.size(), '0') + number;
  }
  void AddTargets(size_t count) {
    Must([&](kv::WriteTxn& txn) -> Status {
      for (size_t i = 0; i < count; ++i) {
        server::Target target;
        target.controller_id = Name(i);
        target.name = i % 2 == 0 ? "even" : "odd";
        TILL_TRY(server::CreateTarget(txn, target, actor));
      }
      return Ok();
    });
  }

  Plan MakePlan(std::vector<GroupPlan> groups, const std::string& filter = "id==*") {
    Plan plan;
    plan.rollout.name = "r" + std::to_string(++plans_);
    plan.rollout.set = set();
    plan.rollout.target_filter = filter;
    plan.filter = *mgmt::rsql::Filter::Parse(filter, mgmt::TargetFields());
    plan.groups = std::move(groups);
    return plan;
  }
  Result<server::RolloutId> TryCreate(const Plan& plan) {
    server::RolloutId id{};
    const Status done = Update([&](kv::WriteTxn& txn) -> Status {
      id = TILL_TRY(Create(txn, seen_, plan, false, actor)).id;
      return Ok();
    });
    if (!done.ok()) return done.error();
    return id;
  }
  server::RolloutId MustCreate(const Plan& plan) {
    const auto made = TryCreate(plan);
    EXPECT_TRUE(made.ok()) << made.error().what;
    return made.ok() ? *made : server::RolloutId{};
  }
  Status Say(Status (*command)(kv::WriteTxn&, server::RolloutId, const server::Actor&), server::RolloutId id) {
    return Update([&](kv::WriteTxn& txn) { return command(txn, id, actor); });
  }

  // Steps until the rollout rests, as one tick does.
  void Tick(server::RolloutId id, int64_t now_ms = kNow) {
    for (int i = 0; i < 10'000; ++i) {
      bool more = false;
      Must([&](kv::WriteTxn& txn) -> Status {
        more = TILL_TRY(Step(txn, id, now_ms));
        return Ok();
      });
      if (!more) return;
    }
    FAIL() << "the rollout never rests";
  }

  // The terminal answers its active action; false when it has none.
  bool Answer(const std::string& controller_id, bool success) {
    bool answered = false;
    Must([&](kv::WriteTxn& txn) -> Status {
      answered = false;
      const auto active = TILL_TRY(server::ActiveActionsOf(txn, controller_id));
      if (active.empty()) return Ok();
      server::Feedback feedback;
      feedback.execution = server::Execution::kClosed;
      feedback.finished = success ? server::FinishedResult::kSuccess : server::FinishedResult::kFailure;
      if (!success) feedback.details = {"health check failed"};
      answered = TILL_TRY(server::ApplyFeedback(txn, controller_id, active[0].id, feedback, kNow)) ==
                 server::FeedbackVerdict::kApplied;
      return Ok();
    });
    return answered;
  }
  bool HasWork(const std::string& controller_id) {
    bool has = false;
    Must([&](kv::WriteTxn& txn) -> Status {
      has = !TILL_TRY(server::ActiveActionsOf(txn, controller_id)).empty();
      return Ok();
    });
    return has;
  }

  server::Rollout Get(server::RolloutId id) {
    server::Rollout rollout;
    Must([&](kv::WriteTxn& txn) -> Status {
      rollout = TILL_TRY(server::GetRollout(txn, id));
      return Ok();
    });
    return rollout;
  }
  std::string StateOf(server::RolloutId id) { return server::RolloutStateName(Get(id).state); }
  std::vector<server::DeployGroup> GroupsOf(server::RolloutId id) {
    std::vector<server::DeployGroup> groups;
    Must([&](kv::WriteTxn& txn) -> Status {
      groups.clear();
      for (const auto group : TILL_TRY(server::GetRollout(txn, id)).groups) {
        groups.push_back(TILL_TRY(server::GetGroup(txn, group)));
      }
      return Ok();
    });
    return groups;
  }
  // "running,ready,ready"
  std::string GroupStates(server::RolloutId id) {
    std::string states;
    for (const auto& group : GroupsOf(id)) {
      states += (states.empty() ? "" : ",") + std::string(server::GroupStateName(group.state));
    }
    return states;
  }
  const server::LastSeen& seen() const { return seen_; }

 private:
  void MakeSet() {
    Must([&](kv::WriteTxn& txn) -> Status {
      server::SoftwareModule module;
      module.name = "pos-os";
      module.version = "2";
      module.type = "os";
      TILL_TRY(server::PutModule(txn, module));
      server::DistributionSet release;
      release.name = "pos";
      release.version = "2";
      release.type = "os";
      release.modules = {module.id};
      return server::PutSet(txn, release);
    });
  }

  std::string folder_;
  bool owns_ = false;
  int plans_ = 0;
  unsigned die_at_ = 0;  // 0 = live on
  bool die_inside_ = false;
  std::unique_ptr<kv::Store> store_;
  server::LastSeen seen_;
};

}  // namespace till::rollout
