#include "tests/core/http/raw_socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "core/text.h"

namespace till::http {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

std::string ReadHeadFrom(int fd) {
  std::string head;
  char c = 0;
  while (head.size() < 100'000 && !head.ends_with("\r\n\r\n") && recv(fd, &c, 1, 0) == 1) head.push_back(c);
  return head;
}

void LimitReads(int fd) {
  const timeval patience{10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

}  // namespace

RawConnection::RawConnection(uint16_t port, int receive_buffer_bytes)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  LimitReads(fd_.get());
  const int on = 1;
  setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // the cuts of a test are to be seen as cuts
  if (receive_buffer_bytes != 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(receive_buffer_bytes));
  }
  Connect(port);
}

RawConnection::RawConnection(uint16_t port, const char* source) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  LimitReads(fd_.get());
  sockaddr_in from = Loopback(0);
  EXPECT_EQ(inet_pton(AF_INET, source, &from.sin_addr), 1);
  EXPECT_EQ(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&from), sizeof(from)), 0);
  Connect(port);
}

RawConnection::RawConnection(uint16_t port, UniqueFd made) : fd_(std::move(made)) {
  LimitReads(fd_.get());
  Connect(port);
}

void RawConnection::Connect(uint16_t port) {
  const sockaddr_in address = Loopback(port);
  if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) fd_.Reset();
}

bool RawConnection::Send(std::string_view bytes) { return SendAll(fd_.get(), bytes); }

std::string RawConnection::Read(size_t bytes) {
  std::string out(bytes, '\0');
  size_t filled = 0;
  while (filled < bytes) {
    const ssize_t got = recv(fd_.get(), out.data() + filled, bytes - filled, 0);
    if (got <= 0) break;
    filled += static_cast<size_t>(got);
  }
  out.resize(filled);
  return out;
}

std::string RawConnection::ReadAll(bool* reset) {
  std::string out;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t got = recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (reset != nullptr) *reset = got < 0;
    if (got <= 0) return out;
    out.append(buffer.data(), static_cast<size_t>(got));
  }
}

std::string RawConnection::ReadHead() { return ReadHeadFrom(fd_.get()); }

std::string RawConnection::ReadResponse() {
  std::string response = ReadHead();
  constexpr std::string_view kName = "\r\nContent-Length: ";
  const size_t at = response.find(kName);
  if (at == std::string::npos) return response;
  const size_t begin = at + kName.size();
  const Result<uint64_t> length = ParseUint(response.substr(begin, response.find('\r', begin) - begin));
  if (length.ok()) response += Read(*length);
  return response;
}

void RawConnection::Cut() {
  const linger at_once{1, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  fd_.Reset();
}

int StatusOf(std::string_view response) {
  if (!response.starts_with("HTTP/1.1 ")) return 0;
  const Result<uint64_t> status = ParseUint(response.substr(9, 3));
  return status.ok() ? static_cast<int>(*status) : 0;
}

ScriptedServer::ScriptedServer(Script script)
    : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), script_(std::move(script)) {
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(listen(listener_.get(), 16), 0);
  EXPECT_EQ(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

ScriptedServer::~ScriptedServer() {
  stopping_ = true;
  shutdown(listener_.get(), SHUT_RDWR);  // ends accept()
  thread_.join();
}

std::string ScriptedServer::Url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

void ScriptedServer::Serve() {
  while (!stopping_) {
    const UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer.valid()) continue;
    LimitReads(peer.get());
    const std::string head = ReadHeadFrom(peer.get());
    if (head.empty()) continue;
    SendAll(peer.get(), script_(head, connections_++));
    shutdown(peer.get(), SHUT_WR);
    char ignored = 0;  // wait for the client's end, so that no RST overtakes the answer
    while (recv(peer.get(), &ignored, 1, 0) > 0) {
    }
  }
}

}  // namespace till::http
