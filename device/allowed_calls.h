// What the downloading process may call: the list that its system call filter (confine.cc) is made of.
#pragma once

#include <cstdint>
#include <span>

namespace till::device {

// Numbers of this architecture, each of whose arguments are all allowed.
std::span<const uint32_t> AllowedCalls();

}  // namespace till::device
