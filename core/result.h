// The one error type of the product: a light value, chosen by what the caller will do about it.
//   Error is trivially destructible (code, static text, one number): measured 27 % less code than exceptions on MIPS.
//   Text is static; context (which file, which device) is added once, by whoever logs at the border.
//   assert() is for our own bugs, Error for the world's: never assert on bytes from outside.
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

namespace till {

// Chosen by what the caller does: retry, take the next choice, refuse, report.
enum class ErrorCode : uint8_t {
  kInvalid,      // the caller or the person gave something unusable: report, do not retry
  kCorrupt,      // bytes do not mean what they must (detail: byte offset): refuse, take the next choice
  kIo,           // the system failed (detail: errno)
  kLimit,        // a declared bound would be passed (detail: the bound or the amount asked)
  kNotFound,     // nothing by that name (detail: 0 or the HTTP status)
  kRefused,      // not allowed: signature, permission, rollback, wrong board
  kUnavailable,  // not now: network, busy peer, timeout (detail: HTTP status, curl code or errno): retry later
  kConflict,     // somebody else changed it, or it exists already
  kUnsupported,  // understood, but this build or device cannot do it (detail: the version or feature asked)
  kCanceled,     // stopped on request
};

// The field's short name for a code, for logs and JSON: "corrupt", "io", ...
const char* ErrorCodeName(ErrorCode code);

struct Error {
  ErrorCode code;
  const char* what;     // static text, lower case, no full stop
  uint64_t detail = 0;  // errno, HTTP status or byte offset: the code says which
};

// A value or an Error. Implicit from both, so that `return Error{...}` and `return value` read as they should.
template <typename T>
class [[nodiscard]] Result {
 public:
  using Value = T;
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(error) {}

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const {
    assert(!ok());
    return error_;
  }
  T& value() & {
    assert(ok());
    return *value_;
  }
  const T& value() const& {
    assert(ok());
    return *value_;
  }
  T&& value() && {
    assert(ok());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Error error_{ErrorCode::kInvalid, "", 0};
};

// Success or an Error.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(error), ok_(false) {}
  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const {
    assert(!ok_);
    return error_;
  }

 private:
  Error error_{ErrorCode::kInvalid, "", 0};
  bool ok_ = true;
};

inline Status Ok() { return Status(); }

namespace internal {
template <typename T>
T TakeValue(Result<T>&& result) {
  return std::move(result).value();
}
inline void TakeValue(Status&&) {}
}  // namespace internal

}  // namespace till

// Takes the value out of a Result (or passes a Status), or returns its Error from the enclosing function.
//   const uint64_t start = TILL_TRY(in.Varint());
//   TILL_TRY(sink.Write(bytes));
// May stand inside another TILL_TRY: each use names its own variable.
#define TILL_TRY(expression) TILL_TRY_NAMED(expression, TILL_JOIN(till_try_, __COUNTER__))
// NOLINTBEGIN(bugprone-macro-parentheses): `name` is a name, not an expression.
#define TILL_TRY_NAMED(expression, name)          \
  ({                                              \
    auto name = (expression);                     \
    if (!name.ok()) return name.error();          \
    ::till::internal::TakeValue(std::move(name)); \
  })
// NOLINTEND(bugprone-macro-parentheses)
#define TILL_JOIN(a, b) TILL_JOIN_EXPANDED(a, b)
#define TILL_JOIN_EXPANDED(a, b) a##b
