#include "core/kv/kv.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "core/bytes.h"
#include "core/file.h"

namespace till::kv {
namespace {

class KvTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/till-kv-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    root_ = path;
    folder_ = root_ + "/store";
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<Store> Open(uint64_t map_bytes = 16 << 20) {
    Store::Options options;
    options.map_bytes = map_bytes;
    Result<std::unique_ptr<Store>> store = Store::Open(folder_, options);
    EXPECT_TRUE(store.ok()) << (store.ok() ? "" : store.error().what);
    return store.ok() ? std::move(*store) : nullptr;
  }

  std::string root_;
  std::string folder_;
};

Status Put(Store& store, std::string_view key, std::string_view value) {
  return store.Update([&](WriteTxn& txn) { return txn.Put(key, value); });
}

std::string Get(Store& store, std::string_view key) {
  std::string found = "(none)";
  const Status read = store.View([&](ReadTxn& txn) -> Status {
    if (const std::optional<std::string_view> value = TILL_TRY(txn.Get(key))) found = *value;
    return Ok();
  });
  return read.ok() ? found : read.error().what;
}

std::vector<std::string> Keys(Store& store, std::string_view prefix, std::string_view from = "", size_t limit = 100) {
  std::vector<std::string> keys;
  EXPECT_TRUE(store
                  .View([&](ReadTxn& txn) {
                    return txn.Scan(prefix, from, [&](std::string_view key, std::string_view) {
                      keys.emplace_back(key);
                      return keys.size() < limit;
                    });
                  })
                  .ok());
  return keys;
}

std::vector<std::string> KeysBack(Store& store, std::string_view prefix, size_t limit = 100) {
  std::vector<std::string> keys;
  EXPECT_TRUE(store
                  .View([&](ReadTxn& txn) {
                    return txn.ScanBack(prefix, [&](std::string_view key, std::string_view) {
                      keys.emplace_back(key);
                      return keys.size() < limit;
                    });
                  })
                  .ok());
  return keys;
}

TEST_F(KvTest, KeepsWhatWasPutAcrossReopening) {
  {
    const auto store = Open();
    ASSERT_TRUE(Put(*store, "a", "1").ok());
    ASSERT_TRUE(Put(*store, std::string("n\0l", 3), std::string("v\0v", 3)).ok());
    ASSERT_TRUE(Put(*store, "empty", "").ok());
  }
  const auto store = Open();
  EXPECT_EQ(Get(*store, "a"), "1");
  EXPECT_EQ(Get(*store, std::string("n\0l", 3)), std::string("v\0v", 3));
  EXPECT_EQ(Get(*store, "n"), "(none)");
  EXPECT_EQ(Get(*store, "empty"), "");
  EXPECT_EQ(Get(*store, ""), "(none)");
  EXPECT_EQ(Get(*store, std::string(501, 'k')), "(none)");
  struct stat info {};
  ASSERT_EQ(stat(folder_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700U);
  ASSERT_EQ(stat((folder_ + "/data.mdb").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(KvTest, ScansPrefixesInBothDirections) {
  const auto store = Open();
  const std::string top = "b\xff";
  ASSERT_TRUE(store
                  ->Update([&](WriteTxn& txn) -> Status {
                    for (const std::string& key :
                         {std::string("a"), std::string("b"), std::string("b/1"), std::string("b/2"),
                          std::string("b/3"), top, top + "x", std::string("c"), std::string("\xff\xff")}) {
                      TILL_TRY(txn.Put(key, "v"));
                    }
                    return Ok();
                  })
                  .ok());
  using List = std::vector<std::string>;
  EXPECT_EQ(Keys(*store, "").size(), 9U);
  EXPECT_EQ(Keys(*store, "b/"), (List{"b/1", "b/2", "b/3"}));
  EXPECT_EQ(Keys(*store, "b/", "b/2"), (List{"b/2", "b/3"}));
  EXPECT_EQ(Keys(*store, "b/", "b/15"), (List{"b/2", "b/3"}));
  EXPECT_EQ(Keys(*store, "b/", "a"), (List{"b/1", "b/2", "b/3"}));
  EXPECT_EQ(Keys(*store, "b/", "c"), List{});
  EXPECT_EQ(Keys(*store, "b/", "", 2), (List{"b/1", "b/2"}));
  EXPECT_EQ(Keys(*store, "x"), List{});
  EXPECT_EQ(Keys(*store, top), (List{top, top + "x"}));
  EXPECT_EQ(KeysBack(*store, "b/"), (List{"b/3", "b/2", "b/1"}));
  EXPECT_EQ(KeysBack(*store, "b/", 1), (List{"b/3"}));
  EXPECT_EQ(KeysBack(*store, top), (List{top + "x", top}));
  EXPECT_EQ(KeysBack(*store, "\xff"), (List{"\xff\xff"}));
  EXPECT_EQ(KeysBack(*store, "").front(), "\xff\xff");
  EXPECT_EQ(KeysBack(*store, "").size(), 9U);
  EXPECT_EQ(KeysBack(*store, "x"), List{});
  EXPECT_EQ(KeysBack(*store, "c"), List{"c"});
}

TEST_F(KvTest, ScansNothingInAnEmptyStore) {
  const auto store = Open();
  EXPECT_TRUE(Keys(*store, "").empty());
  EXPECT_TRUE(KeysBack(*store, "").empty());
  EXPECT_TRUE(KeysBack(*store, "a").empty());
}

TEST_F(KvTest, KeepsNothingOfAFailedUpdate) {
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "a", "old").ok());
  const Status failed = store->Update([&](WriteTxn& txn) -> Status {
    TILL_TRY(txn.Put("a", "new"));
    TILL_TRY(txn.Put("b", "new"));
    TILL_TRY(txn.Delete("missing"));
    const std::optional<std::string_view> seen = TILL_TRY(txn.Get("a"));
    EXPECT_EQ(seen, "new");  // an update reads what it wrote
    return Error{ErrorCode::kConflict, "changed my mind"};
  });
  EXPECT_EQ(failed.error().code, ErrorCode::kConflict);
  EXPECT_EQ(Get(*store, "a"), "old");
  EXPECT_EQ(Get(*store, "b"), "(none)");
  ASSERT_TRUE(store->Update([](WriteTxn& txn) { return txn.Delete("a"); }).ok());
  EXPECT_EQ(Get(*store, "a"), "(none)");
}

TEST_F(KvTest, ShowsAReaderOneSnapshotWhileOthersWrite) {
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "a", "1").ok());
  ASSERT_TRUE(Put(*store, "b", "1").ok());
  const Status read = store->View([&](ReadTxn& txn) -> Status {
    EXPECT_EQ(TILL_TRY(txn.Get("a")), "1");
    std::thread writer([&] {
      EXPECT_TRUE(store
                      ->Update([](WriteTxn& other) -> Status {
                        TILL_TRY(other.Put("a", "2"));
                        return other.Put("b", "2");
                      })
                      .ok());
    });
    writer.join();  // a reader does not block the writer
    EXPECT_EQ(TILL_TRY(txn.Get("b")), "1");
    EXPECT_EQ(Get(*store, "b"), "2");  // a View within a View is a newer snapshot
    return Ok();
  });
  EXPECT_TRUE(read.ok());
  EXPECT_EQ(Get(*store, "a"), "2");
}

TEST_F(KvTest, SerialisesUpdatesOfManyThreads) {
  const auto store = Open();
  ASSERT_TRUE(Put(*store, "n", SortableU64(0)).ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) {
        const Status added = store->Update([](WriteTxn& txn) -> Status {
          const std::optional<std::string_view> old = TILL_TRY(txn.Get("n"));
          return txn.Put("n", SortableU64(TILL_TRY(ParseSortableU64(*old)) + 1));
        });
        EXPECT_TRUE(added.ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*ParseSortableU64(Get(*store, "n")), 100U);
}

TEST_F(KvTest, RefusesKeysAndValuesBeyondItsBounds) {
  const auto store = Open();
  EXPECT_EQ(Put(*store, "", "v").error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(Put(*store, std::string(500, 'k'), "v").ok());
  EXPECT_EQ(Put(*store, std::string(501, 'k'), "v").error().code, ErrorCode::kLimit);
  EXPECT_TRUE(Put(*store, "k", std::string(1 << 20, 'v')).ok());
  EXPECT_EQ(Put(*store, "k", std::string((1 << 20) + 1, 'v')).error().code, ErrorCode::kLimit);
  EXPECT_EQ(Get(*store, "k").size(), size_t{1} << 20);
}

// covers W13
TEST_F(KvTest, IsLimitedWhenFullAndLivesOn) {
  const auto store = Open(1 << 20);
  ASSERT_TRUE(Put(*store, "small", "1").ok());
  const std::string value(4000, 'v');
  int put = 0;
  Status last;
  while (put < 1000 && (last = Put(*store, "k" + std::to_string(put), value)).ok()) ++put;
  ASSERT_FALSE(last.ok());
  EXPECT_EQ(last.error().code, ErrorCode::kLimit);
  EXPECT_GT(put, 50);
  // A closure that swallows the error does not turn the failure into success.
  const Status swallowed = store->Update([&](WriteTxn& txn) -> Status {
    for (int i = 0; i < 100; ++i) (void)txn.Put("x" + std::to_string(i), value);
    return Ok();
  });
  EXPECT_EQ(swallowed.error().code, ErrorCode::kLimit);
  EXPECT_EQ(Get(*store, "small"), "1");
  EXPECT_EQ(Get(*store, "k0"), value);
  EXPECT_EQ(Get(*store, "x0"), "(none)");
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(store->Update([&](WriteTxn& txn) { return txn.Delete("k" + std::to_string(i)); }).ok()) << i;
  }
  EXPECT_TRUE(Put(*store, "after", "fine").ok());
  EXPECT_EQ(Get(*store, "after"), "fine");
}

// Runs `body` in a child process and answers its pid.
template <typename Body>
pid_t Fork(const Body& body) {
  const pid_t pid = fork();
  if (pid == 0) {
    body();
    _exit(0);
  }
  return pid;
}

// A file system of `bytes` at `folder`, seen by this process alone; false where this user may not make one.
bool MountSmall(const std::string& folder, unsigned bytes, unsigned long flags = 0) {
  const std::string size = "size=" + std::to_string(bytes);
  return mount("none", folder.c_str(), "tmpfs", flags, size.c_str()) == 0;
}

constexpr int kNoNamespace = 77;

// In a process of its own: opens a store on ever larger disks, then on the same disk with more room.
int OpenOnFullDisks(const std::string& root) {
  if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0) return kNoNamespace;
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kNoNamespace;
  int refused = 0;
  const auto open_and_use = [&] {
    const auto store = Store::Open(root + "/store", {.map_bytes = 1 << 20, .durable = true});
    if (!store.ok()) return store.error().code;
    Status used = Put(**store, "a", "1");
    for (int i = 0; used.ok() && i < 100; ++i) used = (*store)->View([](ReadTxn&) { return Ok(); });
    return used.ok() ? ErrorCode::kCanceled : used.error().code;  // kCanceled: nothing failed
  };
  const std::string page(4096, 'x');
  for (unsigned kib = 0; kib <= 160; kib += 4) {
    if (!MountSmall(root, (kib << 10) + 4096)) return kNoNamespace;
    if (!WriteFileAtomically(root + "/somebody's", AsBytes(page)).ok()) return 5;
    const ErrorCode code = open_and_use();
    if (code != ErrorCode::kCanceled && code != ErrorCode::kLimit) return 1;
    if (code == ErrorCode::kLimit) ++refused;
    if (!MountSmall(root, 1 << 20, MS_REMOUNT)) return kNoNamespace;
    if (open_and_use() != ErrorCode::kCanceled) return 2;
    if (umount(root.c_str()) != 0) return 3;
  }
  return refused > 2 && refused < 40 ? 0 : 4;
}

// covers W13
TEST_F(KvTest, SaysThatTheDiskIsFullAndOpensWhenItIsNot) {
  const pid_t child = Fork([&] { _exit(OpenOnFullDisks(root_)); });
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoNamespace) GTEST_SKIP() << "no mounts for this user";
  EXPECT_TRUE(WIFEXITED(status)) << "killed by signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(KvTest, RefusesToBeOpenedTwice) {
  auto store = Open();
  Result<std::unique_ptr<Store>> second = Store::Open(folder_, {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_TRUE(Put(*store, "a", "1").ok());
  store.reset();
  EXPECT_EQ(Get(*Open(), "a"), "1");
}

// covers W13
TEST_F(KvTest, KeepsEveryAnsweredUpdateWhenItsProcessIsKilled) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  uint64_t acknowledged = 0;
  for (int round = 0; round < 5; ++round) {
    const pid_t child = Fork([&] {
      Result<std::unique_ptr<Store>> store = Store::Open(folder_, {});
      if (!store.ok()) _exit(1);
      for (uint64_t i = acknowledged + 1;; ++i) {
        const Status put = (*store)->Update([&](WriteTxn& txn) -> Status {
          TILL_TRY(txn.Put("n/" + SortableU64(i), std::string(300, 'x')));
          return txn.Put("last", SortableU64(i));
        });
        if (!put.ok() || write(pipe_fds[1], &i, sizeof i) != sizeof i) _exit(2);
      }
    });
    for (int i = 0; i < 20 + round; ++i) ASSERT_EQ(read(pipe_fds[0], &acknowledged, sizeof acknowledged), 8);
    ASSERT_EQ(kill(child, SIGKILL), 0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    ASSERT_EQ(fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK), 0);
    while (read(pipe_fds[0], &acknowledged, sizeof acknowledged) == 8) {
    }
    ASSERT_EQ(fcntl(pipe_fds[0], F_SETFL, 0), 0);
    const auto store = Open();
    ASSERT_NE(store, nullptr);
    const uint64_t last = *ParseSortableU64(Get(*store, "last"));
    EXPECT_GE(last, acknowledged);
    EXPECT_EQ(Keys(*store, "n/", "", 100000).size(), last);  // whole transactions, no halves
    acknowledged = last;
  }
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST_F(KvTest, IsRefusedToASecondProcessAndClearsTheReadersOfADeadOne) {
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  { ASSERT_TRUE(Put(*Open(), "a", "1").ok()); }
  const pid_t child = Fork([&] {
    Result<std::unique_ptr<Store>> store = Store::Open(folder_, {});
    if (!store.ok()) _exit(1);
    (void)(*store)->View([&](ReadTxn& txn) -> Status {
      TILL_TRY(txn.Get("a"));
      if (write(pipe_fds[1], "r", 1) != 1) _exit(2);
      pause();
      return Ok();
    });
  });
  char ready = 0;
  ASSERT_EQ(read(pipe_fds[0], &ready, 1), 1);
  EXPECT_EQ(Store::Open(folder_, {}).error().code, ErrorCode::kConflict);
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  close(pipe_fds[0]);
  close(pipe_fds[1]);
  // With the dead reader's slot in place every rewrite would need new pages, and this small map would fill.
  const auto store = Open(1 << 20);
  ASSERT_NE(store, nullptr);
  const std::string value(100'000, 'v');
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(Put(*store, "a", value + std::to_string(i)).ok()) << i;
}

TEST_F(KvTest, BacksUpWhileInUse) {
  const auto store = Open();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Put(*store, "k" + std::to_string(i), "v").ok());
  const std::string copy = root_ + "/copy";
  EXPECT_EQ(store->Backup(copy).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(MakeFolders(copy).ok());
  ASSERT_TRUE(store->Backup(copy).ok());
  EXPECT_EQ(store->Backup(copy).error().code, ErrorCode::kConflict);
  ASSERT_TRUE(Put(*store, "later", "x").ok());
  struct stat info {};
  ASSERT_EQ(stat((copy + "/data.mdb").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  Result<std::unique_ptr<Store>> opened = Store::Open(copy, {});
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(Keys(**opened, "k", "", 1000).size(), 100U);
  EXPECT_EQ(Get(**opened, "later"), "(none)");
}

TEST_F(KvTest, WritesWithoutSyncWhenTold) {
  Store::Options options;
  options.durable = false;
  {
    Result<std::unique_ptr<Store>> store = Store::Open(folder_, options);
    ASSERT_TRUE(store.ok());
    ASSERT_TRUE(Put(**store, "a", "1").ok());
  }
  EXPECT_EQ(Get(*Open(), "a"), "1");
}

// covers W13
TEST_F(KvTest, RefusesForeignAndDamagedFiles) {
  { ASSERT_TRUE(Put(*Open(), "a", std::string(50'000, 'v')).ok()); }
  const std::string path = folder_ + "/data.mdb";
  const Bytes good = *ReadBinaryFile(path, 1 << 24);
  const auto verdict_on = [&](ByteView bytes) {
    EXPECT_TRUE(WriteFileAtomically(path, bytes).ok());
    const Result<std::unique_ptr<Store>> store = Store::Open(folder_, {});
    return store.ok() ? std::string("opened") : std::string(ErrorCodeName(store.error().code));
  };
  EXPECT_EQ(verdict_on(good), "opened");
  EXPECT_EQ(verdict_on(AsBytes("hello")), "corrupt");
  EXPECT_EQ(verdict_on(AsBytes(std::string(100'000, 'x'))), "corrupt");
  EXPECT_EQ(verdict_on(Bytes(100'000)), "corrupt");
  for (const size_t size :
       {size_t{1}, size_t{100}, size_t{4096}, size_t{8191}, size_t{8192}, good.size() / 2, good.size() - 4096}) {
    EXPECT_EQ(verdict_on(ByteView(good).first(size)), "corrupt") << size;
  }
  for (const size_t offset : {10, 16, 40, 41, 43}) {  // flags, magic, page size
    Bytes bent = good;
    bent[offset] ^= std::byte{0xff};
    EXPECT_EQ(verdict_on(bent), "corrupt") << offset;
  }
  Bytes no_page_size = good;
  std::fill_n(no_page_size.begin() + 40, 4, std::byte{0});
  EXPECT_EQ(verdict_on(no_page_size), "corrupt");
  EXPECT_EQ(verdict_on(good), "opened");
}

TEST(SortableU64, SortsAsNumbersDo) {
  const uint64_t kNumbers[] = {0, 1, 255, 256, 65535, uint64_t{1} << 32, UINT64_MAX};
  for (size_t i = 0; i < std::size(kNumbers); ++i) {
    EXPECT_EQ(*ParseSortableU64(SortableU64(kNumbers[i])), kNumbers[i]);
    if (i > 0) {
      EXPECT_LT(SortableU64(kNumbers[i - 1]), SortableU64(kNumbers[i]));
    }
  }
  EXPECT_FALSE(ParseSortableU64("1234567").ok());
  EXPECT_FALSE(ParseSortableU64("123456789").ok());
}

}  // namespace
}  // namespace till::kv
