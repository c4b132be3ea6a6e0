// covers W14: a hub killed at any moment of a rollout ends where an undisturbed one ends.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "tests/server/rollout/fleet.h"

namespace till::rollout {
namespace {

constexpr size_t kTargets = 60;

// Whether a terminal confirms is a property of its name, so that every run ends the same.
bool Confirms(size_t index) { return index % 13 != 5; }

// One round of a hub's life: a tick, then some terminals answer.
void Round(Fleet& fleet, server::RolloutId id) {
  fleet.Tick(id);
  for (size_t i = 0; i < kTargets; ++i) fleet.Answer(Fleet::Name(i), Confirms(i));
}

std::string Outcome(Fleet& fleet, server::RolloutId id) {
  std::string text = fleet.StateOf(id) + " " + fleet.GroupStates(id);
  for (const auto& group : fleet.GroupsOf(id)) {
    for (const uint64_t count : group.counts) text += " " + std::to_string(count);
    text += ";";
  }
  uint64_t actions = 0;
  fleet.Must([&](kv::WriteTxn& txn) -> Status {
    actions = TILL_TRY(server::CountActions(txn));
    return Ok();
  });
  return text + " actions " + std::to_string(actions);
}

server::RolloutId Begin(Fleet& fleet) {
  fleet.AddTargets(kTargets);
  server::GroupConditions conditions;
  conditions.success_percent = 80;
  conditions.error_percent = 15;
  const auto id = fleet.MustCreate(fleet.MakePlan(EqualGroups(4, conditions)));
  EXPECT_TRUE(fleet.Say(Start, id).ok());
  return id;
}

TEST(RolloutCrash, EndsTheSameWhereverItIsKilled) {
  std::string undisturbed;
  {
    Fleet fleet;
    const auto id = Begin(fleet);
    for (int i = 0; i < 12; ++i) Round(fleet, id);
    undisturbed = Outcome(fleet, id);
  }
  ASSERT_EQ(undisturbed.substr(0, 8), "finished");
  std::mt19937 random(20261122);
  for (int run = 0; run < 6; ++run) {
    std::string pattern = testing::TempDir() + "rollout-crash-XXXXXX";
    const std::string folder = mkdtemp(pattern.data());
    server::RolloutId id{};
    {
      Fleet fleet(true, folder);
      id = Begin(fleet);
    }
    for (int kills = 0; kills < 10; ++kills) {
      const pid_t child = fork();
      ASSERT_GE(child, 0);
      if (child == 0) {
        Fleet fleet(false, folder);
        fleet.DieAt(std::uniform_int_distribution<unsigned>(1, 90)(random), kills % 2 == 0);
        for (int i = 0; i < 1000; ++i) Round(fleet, id);
        _exit(0);
      }
      random.discard(1);  // the child drew from its own copy
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    }
    {
      Fleet fleet(false, folder);
      for (int i = 0; i < 12; ++i) Round(fleet, id);
      EXPECT_EQ(Outcome(fleet, id), undisturbed) << "run " << run;
    }
    std::filesystem::remove_all(folder);
  }
}

}  // namespace
}  // namespace till::rollout
