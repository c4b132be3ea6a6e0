// Sign-ins as the planes use them: known or not, in a bounded queue, and taken back at once.   covers W05
#include "server/auth/operators.h"

#include <gtest/gtest.h>

#include <condition_variable>

#include "core/crypto/password.h"
#include "server/auth/credentials.h"
#include "tests/server/support/world.h"

namespace till::server {
namespace {

std::string Basic(const std::string& pair) { return "Basic " + crypto::ToBase64(pair, true); }

class SignIns : public testing::Test {
 protected:
  SignIns() {
    EXPECT_TRUE(world_.operators->Bootstrap("admin:correct horse", world_.folder.path() + "/admin.token").ok());
  }
  // Waits for the end.
  Result<Operator> SignIn(const std::string& authorization, const std::string& address = "here") {
    std::mutex mutex;
    std::condition_variable news;
    std::optional<Result<Operator>> result;
    world_.operators->SignIn(authorization, address, [&](Result<Operator> who) {
      const std::lock_guard lock(mutex);
      result = std::move(who);
      news.notify_all();
    });
    std::unique_lock lock(mutex);
    news.wait(lock, [&] { return result.has_value(); });
    return *result;
  }

  World world_;
};

TEST_F(SignIns, APasswordIsKnownOnceItWasVerified) {
  const std::string good = Basic("admin:correct horse");
  EXPECT_FALSE(world_.operators->Known(good));
  const auto who = SignIn(good);
  ASSERT_TRUE(who.ok()) << who.error().what;
  EXPECT_EQ(who->name, "admin");
  ASSERT_TRUE(world_.operators->Known(good));
  EXPECT_FALSE(world_.operators->Known(Basic("admin:correct horsf")));
  for (const std::string& wrong : {Basic("admin:wrong"), Basic("nobody:x"), Basic("admin"), std::string("Basic !"),
                                   std::string(), std::string("Bearer till_admin_00")}) {
    EXPECT_EQ(SignIn(wrong).error().code, ErrorCode::kRefused) << wrong;
  }
}

TEST_F(SignIns, WhoIsRemovedOrHasAnotherPasswordIsAStrangerAtOnce) {
  const std::string good = Basic("admin:correct horse");
  ASSERT_TRUE(SignIn(good).ok());
  ASSERT_TRUE(world_.operators->Bootstrap("admin:another one", "").ok());
  EXPECT_FALSE(world_.operators->Known(good));
  ASSERT_TRUE(SignIn(Basic("admin:another one")).ok());
  world_.Update([](kv::WriteTxn& txn) { return RemoveUser(txn, "admin"); });
  EXPECT_FALSE(world_.operators->Known(Basic("admin:another one")));
  EXPECT_EQ(SignIn(Basic("admin:another one")).error().code, ErrorCode::kRefused);
  const std::string token = NewToken(TokenKind::kOperator, "ci");
  world_.Update([&](kv::WriteTxn& txn) { return PutToken(txn, TokenKind::kOperator, token, {"ci", 1}); });
  EXPECT_EQ(world_.operators->Known("Bearer " + token)->name, "ci");
  world_.Update([](kv::WriteTxn& txn) { return RemoveToken(txn, TokenKind::kOperator, "ci"); });
  EXPECT_FALSE(world_.operators->Known("Bearer " + token));
}

TEST_F(SignIns, TheQueueIsBoundedAndEveryoneIsTold) {
  constexpr size_t kTries = 200;
  std::mutex mutex;
  size_t told = 0, later = 0;
  for (size_t i = 0; i < kTries; ++i) {
    world_.operators->SignIn(Basic("admin:guess"), std::to_string(i), [&](Result<Operator> who) {
      const std::lock_guard lock(mutex);
      ++told;
      later += !who.ok() && who.error().code == ErrorCode::kUnavailable && who.error().detail > 0 ? 1 : 0;
    });
  }
  {
    const std::lock_guard lock(mutex);
    EXPECT_GE(later, kTries / 4) << "that came at once: two are looked at, 64 wait";
  }
  world_.operators->Stop();
  EXPECT_EQ(told, kTries);
  EXPECT_EQ(SignIn(Basic("admin:correct horse")).error().code, ErrorCode::kUnavailable) << "after the end";
}

TEST_F(SignIns, NamesOfTokensAreUniqueAndAnOldSettingIsTakenOver) {
  world_.Update([](kv::WriteTxn& txn) -> Status {
    TILL_TRY(PutToken(txn, TokenKind::kEdge, "edge_1", {"shop", 1}));
    EXPECT_EQ(PutToken(txn, TokenKind::kEdge, "edge_2", {"shop", 1}).error().code, ErrorCode::kConflict);
    EXPECT_EQ(PutToken(txn, TokenKind::kEdge, "edge_2", {"..", 1}).error().code, ErrorCode::kInvalid);
    EXPECT_TRUE(PutToken(txn, TokenKind::kOperator, "till_1", {"shop", 1}).ok()) << "of another kind";
    TILL_TRY(txn.Put("Ctill.edge.token", "\"edge_old\""));
    TILL_TRY(TakeOverEdgeToken(txn));
    EXPECT_EQ(TILL_TRY(FindToken(txn, TokenKind::kEdge, "edge_old")), kFirstEdgeToken);
    TILL_TRY(RemoveToken(txn, TokenKind::kEdge, kFirstEdgeToken));
    TILL_TRY(TakeOverEdgeToken(txn));
    EXPECT_FALSE(TILL_TRY(FindToken(txn, TokenKind::kEdge, "edge_old")));
    EXPECT_TRUE(TILL_TRY(HadEdgeToken(txn)));
    return Ok();
  });
}

}  // namespace
}  // namespace till::server
