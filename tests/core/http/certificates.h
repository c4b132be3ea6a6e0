// Certificates for a server of tests on loopback, made by the openssl program.
#pragma once

#include <gtest/gtest.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <string>
#include <vector>

extern char** environ;

namespace till::http {

inline bool OpenSsl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "openssl");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", 1 /* O_WRONLY */, 0);
  pid_t pid = 0;
  const bool spawned = posix_spawnp(&pid, "openssl", &quiet, nullptr, argv.data(), environ) == 0;
  posix_spawn_file_actions_destroy(&quiet);
  int status = -1;
  return spawned && waitpid(pid, &status, 0) == pid && status == 0;
}

// A folder with P-256 certificates for 127.0.0.1: server.pem, client.pem and other.pem, each its own authority.
class Certificates {
 public:
  Certificates() {
    std::string pattern = ::testing::TempDir() + "/till_tls_XXXXXX";
    folder_ = mkdtemp(pattern.data());
    for (const char* name : {"server", "client", "other"}) {
      EXPECT_TRUE(OpenSsl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                           "-days", "3", "-subj", std::string("/CN=till ") + name, "-addext",
                           "subjectAltName=IP:127.0.0.1", "-keyout", Key(name), "-out", Cert(name)}));
    }
  }
  ~Certificates() { std::filesystem::remove_all(folder_); }
  std::string Cert(const std::string& name) const { return folder_ + "/" + name + ".pem"; }
  std::string Key(const std::string& name) const { return folder_ + "/" + name + ".key"; }

 private:
  std::string folder_;
};

}  // namespace till::http
