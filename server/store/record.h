// How entities lie in the store: a version byte, then the fields in the order Fields() names them, numbers as varints,
// texts with their length. One list serves writing and reading, so they cannot drift apart. New fields are added at
// the end: a reader that finds the record at its end leaves the rest as it is by default.
//   Own bytes instead of JSON: a terminal's record must stay small (350 bytes in all; store_test measures it).
//   Private to server/store.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/bytes.h"
#include "server/store/record_fields.h"

namespace till::server {

class RecordWriter {
 public:
  RecordWriter() { out_.U8(kVersion); }
  template <typename... T>
  void operator()(const T&... fields) {
    (Put(fields), ...);
  }
  std::string Take() { return std::string(AsText(out_.bytes())); }
  static constexpr uint8_t kVersion = 1;

 private:
  template <typename T>
  void Put(const T& value) {
    if constexpr (std::is_enum_v<T> || std::is_unsigned_v<T>) {
      out_.Varint(static_cast<uint64_t>(value));
    } else if constexpr (std::is_signed_v<T>) {
      out_.SignedVarint(value);
    } else {
      Fields(*this, value);
    }
  }
  void Put(const std::string& text) {
    out_.Varint(text.size());
    out_.Append(AsBytes(text));
  }
  void Put(const std::optional<int64_t>& value) {
    out_.U8(value.has_value() ? 1 : 0);
    if (value) out_.SignedVarint(*value);
  }
  template <typename T>
  void Put(const std::vector<T>& items) {
    out_.Varint(items.size());
    for (const T& item : items) Put(item);
  }
  template <typename T, size_t kSize>
  void Put(const std::array<T, kSize>& items) {
    for (const T& item : items) Put(item);
  }

  ByteWriter out_;
};

class RecordReader {
 public:
  explicit RecordReader(std::string_view bytes) : in_(AsBytes(bytes)) {
    auto version = in_.U8();
    if (!version.ok() || *version != RecordWriter::kVersion) Fail();
  }
  template <typename... T>
  void operator()(T&... fields) {
    (Get(fields), ...);
  }
  Status status() const {
    if (failed_) return Error{ErrorCode::kCorrupt, "damaged record in the store", in_.offset()};
    return Ok();
  }

 private:
  void Fail() { failed_ = true; }
  bool Done() const { return failed_ || in_.at_end(); }
  uint64_t Varint() {
    auto number = in_.Varint();
    if (!number.ok()) Fail();
    return number.ok() ? *number : 0;
  }
  int64_t SignedVarint() {
    auto number = in_.SignedVarint();
    if (!number.ok()) Fail();
    return number.ok() ? *number : 0;
  }

  template <typename T>
  void Get(T& value) {
    if constexpr (std::is_enum_v<T> || std::is_unsigned_v<T>) {
      if (!Done()) value = static_cast<T>(Varint());
    } else if constexpr (std::is_signed_v<T>) {
      if (!Done()) value = static_cast<T>(SignedVarint());
    } else {
      Fields(*this, value);
    }
  }
  void Get(std::string& text) {
    if (Done()) return;
    auto bytes = in_.Take(Varint());
    if (!bytes.ok()) return Fail();
    text = AsText(*bytes);
  }
  void Get(std::optional<int64_t>& value) {
    if (Done()) return;
    if (Varint() != 0) value = SignedVarint();
  }
  template <typename T>
  void Get(std::vector<T>& items) {
    if (Done()) return;
    const uint64_t count = Varint();
    if (count > in_.remaining()) return Fail();
    for (uint64_t i = 0; i < count && !failed_; ++i) Get(items.emplace_back());
  }
  template <typename T, size_t kSize>
  void Get(std::array<T, kSize>& items) {
    for (T& item : items) Get(item);
  }

  ByteReader in_;
  bool failed_ = false;
};

template <typename Entity>
std::string Encode(const Entity& entity) {
  RecordWriter writer;
  Fields(writer, entity);
  return writer.Take();
}

template <typename Entity>
Result<Entity> Decode(std::string_view bytes) {
  RecordReader reader(bytes);
  Entity entity;
  Fields(reader, entity);
  if (Status status = reader.status(); !status.ok()) return status.error();
  return entity;
}

}  // namespace till::server
