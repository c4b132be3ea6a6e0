// The fixture of the client's tests: a forged repository, a fake clock, and a folder in memory where there is one.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/tuf/metadata.h"
#include "tests/core/tuf/forge.h"

namespace till::tuf {

using Versions = std::vector<uint64_t>;  // root, timestamp, snapshot, targets, deltas

class TufClientTest : public testing::Test {
 protected:
  void SetUp() override {
    // In memory where there is such a folder: these tests write some ten thousand files durably.
    char path[64];
    snprintf(path, sizeof path, "%s/till-tuf-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ASSERT_NE(mkdtemp(path), nullptr);
    root_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  Client::Options Options(const std::string& name = "a") {
    Client::Options options;
    options.folder = root_ + "/" + name;
    options.now_unix_s = [this] { return now_; };
    return options;
  }
  std::unique_ptr<Client> Open(const Client::Options& options, std::string_view trusted_root) {
    Result<std::unique_ptr<Client>> client = Client::Open(options, trusted_root);
    EXPECT_TRUE(client.ok()) << (client.ok() ? "" : client.error().what);
    return client.ok() ? std::move(*client) : nullptr;
  }
  std::unique_ptr<Client> Open(const std::string& name = "a") {
    return Open(Options(name), forge_.files["1.root.json"]);
  }
  std::unique_ptr<Client> OpenAndRefresh(const std::string& name = "a") {
    auto client = Open(name);
    const Status refreshed = client->Refresh(forge_.Fetcher());
    EXPECT_TRUE(refreshed.ok()) << (refreshed.ok() ? "" : refreshed.error().what);
    return client;
  }

  static Versions VersionsOf(const Client& client) {
    return {client.Version("root"), client.Version("timestamp"), client.Version("snapshot"), client.Version("targets"),
            client.Version("deltas")};
  }
  std::map<std::string, std::string> Folder(const std::string& name = "a") {
    std::map<std::string, std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(root_ + "/" + name)) {
      files[file.path().filename()] = *ReadTextFile(file.path());
    }
    return files;
  }
  // What Refresh() answers: "ok", or the code and text of its Error.
  std::string Refresh(Client& client) {
    const Status refreshed = client.Refresh(forge_.Fetcher());
    return refreshed.ok() ? "ok" : std::string(ErrorCodeName(refreshed.error().code)) + ": " + refreshed.error().what;
  }

  Forge forge_;
  int64_t now_ = Forge::kNow;
  std::string root_;
};

}  // namespace till::tuf
