// Reads multipart/form-data (RFC 7578, RFC 2046 section 5.1) piece by piece, in bounded memory.
//   input    body bytes in any cutting: the same calls come out of every cutting (data may be cut differently)
//   memory   one header block of a part (8 KiB) plus one delimiter (74 bytes); part data passes through
//   bounds   16 parts, boundary of 1 to 70 bytes, 8 KiB of headers per part
//   errors   kInvalid for a body that is no multipart of this boundary, kLimit past a bound; the visitor's Errors pass
//   on Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/bytes.h"
#include "core/result.h"

namespace till::front {

struct PartHead {
  std::string name;      // form field; "" when the part names none
  std::string filename;  // as given, quoted or not, without any folder before it; "" when absent
  bool is_file = false;  // a filename parameter was given
  std::string content_type;
};

class PartVisitor {
 public:
  virtual ~PartVisitor() = default;
  virtual Status OnPart(const PartHead& head) = 0;
  virtual Status OnPartData(ByteView bytes) = 0;
  virtual Status OnPartEnd() = 0;
};

// The boundary parameter of a Content-Type of type multipart/form-data; kInvalid when it is none or has no good
// boundary.
Result<std::string> MultipartBoundary(std::string_view content_type);

class MultipartParser {
 public:
  // `visitor` is not owned and outlives the parser.
  MultipartParser(std::string boundary, PartVisitor& visitor);
  Status Write(ByteView bytes);
  // The body is over: kInvalid unless the closing delimiter was seen.
  Status Finish() const;

 private:
  enum class State : uint8_t { kPreamble, kAfterDelimiter, kHeaders, kData, kEpilogue };
  // Each takes what it can from the front of pending_; false when it needs more bytes.
  Result<bool> Step();
  Result<bool> SeekDelimiter();
  Result<bool> ReadAfterDelimiter();
  Result<bool> ReadHeaders();

  std::string delimiter_;  // "\r\n--boundary"
  PartVisitor& visitor_;
  State state_ = State::kPreamble;
  std::string pending_;
  uint32_t parts_ = 0;
};

// name="value" parameters of a header value such as Content-Disposition: quoted (with \" and \\) or a bare token,
// case-insensitive name; "" when absent. `found` (may be null) tells an empty value from none.
std::string HeaderParameter(std::string_view value, std::string_view name, bool* found = nullptr);

}  // namespace till::front
