// Socket addresses as this folder needs them: from text, to text, and as what counts as one client.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "core/result.h"

namespace till::http {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

// An IPv4 or IPv6 literal; kInvalid for anything else.
Result<SocketAddress> ParseAddress(const std::string& text, uint16_t port);
// "127.0.0.1:40312", "[::1]:40312".
std::string PeerName(const sockaddr_storage& address);
// Bytes of an IPv4 address (mapped or not), or of an IPv6 network of 64 bits, which is what one customer gets.
std::string AdmissionKey(const sockaddr_storage& address);
uint16_t PortOf(const sockaddr_storage& address);

}  // namespace till::http
