// Sockets for tests that care about exact bytes: a client end, and a server that answers what a test tells it to.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "core/file.h"

namespace till::http {

// A client's end of a connection to 127.0.0.1. Every read gives up after 10 s, so that no test hangs.
class RawConnection {
 public:
  explicit RawConnection(uint16_t port, int receive_buffer_bytes = 0);
  // From another address of this machine: "127.0.0.2".
  RawConnection(uint16_t port, const char* source);
  // From a socket that was made before; it is connected now.
  RawConnection(uint16_t port, UniqueFd made);
  bool connected() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  bool Send(std::string_view bytes);
  // Up to `bytes`; fewer at the end of the connection.
  std::string Read(size_t bytes);
  // Until the peer closes. `*reset` tells an abortive close.
  std::string ReadAll(bool* reset = nullptr);
  // A head, with its empty line.
  std::string ReadHead();
  // A head and as much body as its Content-Length says.
  std::string ReadResponse();
  // Closes with RST.
  void Cut();
  void Close() { fd_.Reset(); }

 private:
  void Connect(uint16_t port);
  UniqueFd fd_;
};

int StatusOf(std::string_view response);  // of "HTTP/1.1 200 OK..."; 0 when that is not what it is

// Answers each connection with what `script(request head, number of the connection)` gives, then closes it.
class ScriptedServer {
 public:
  using Script = std::function<std::string(const std::string& head, int connection)>;
  explicit ScriptedServer(Script script);
  ~ScriptedServer();
  std::string Url(std::string_view path = "/object") const;
  int connections() const { return connections_; }

 private:
  void Serve();

  UniqueFd listener_;
  uint16_t port_ = 0;
  Script script_;
  std::atomic<int> connections_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace till::http
