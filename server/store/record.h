// How entities lie in the store: a version byte, then the fields in the order Fields() names them, numbers as varints,
// texts with their length. One list serves writing and reading, so they cannot drift apart. New fields are added at
// the end: a reader that finds the record at its end leaves the rest as it is by default.
//   Own bytes instead of JSON: a terminal's record must stay small (350 bytes in all; store_test measures it).
//   Private to server/store.
#pragma once

#include <array>
#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "core/bytes.h"
#include "server/artifacts/artifact_store.h"
#include "server/model/action.h"
#include "server/model/rollout.h"
#include "server/model/software.h"
#include "server/model/target.h"

namespace till::server {

// `Entity` or `const Entity`.
template <typename T, typename Entity>
concept Is = std::same_as<std::remove_const_t<T>, Entity>;

template <typename Archive, Is<Audit> T>
void Fields(Archive& archive, T& a) {
  archive(a.created_by, a.last_modified_by, a.created_at_ms, a.last_modified_at_ms);
}
template <typename Archive, Is<Target> T>
void Fields(Archive& archive, T& t) {
  archive(t.name, t.description, t.address, t.security_token, t.target_type, t.group, t.status, t.request_attributes,
          t.auto_confirm, t.assigned_set, t.installed_set, t.installed_action, t.current_action, t.installed_at_ms,
          t.audit);
}
template <typename Archive, Is<Metadata> T>
void Fields(Archive& archive, T& m) {
  archive(m.key, m.value, m.target_visible);
}
template <typename Archive, Is<Artifact> T>
void Fields(Archive& archive, T& a) {
  archive(a.id, a.filename, a.sha256, a.sha1, a.md5, a.size, a.audit);
}
template <typename Archive, Is<SoftwareModule> T>
void Fields(Archive& archive, T& m) {
  archive(m.name, m.version, m.type, m.description, m.vendor, m.encrypted, m.locked, m.deleted, m.artifacts, m.metadata,
          m.audit);
}
template <typename Archive, Is<DistributionSet> T>
void Fields(Archive& archive, T& s) {
  archive(s.name, s.version, s.type, s.description, s.modules, s.metadata, s.required_migration_step, s.locked,
          s.deleted, s.invalid, s.audit, s.used);
}
template <typename Archive, Is<MaintenanceWindow> T>
void Fields(Archive& archive, T& w) {
  archive(w.schedule, w.duration, w.timezone);
}
template <typename Archive, Is<Offer> T>
void Fields(Archive& archive, T& o) {
  archive(o.module, o.payload_sha256);
}
template <typename Archive, Is<Action> T>
void Fields(Archive& archive, T& a) {
  archive(a.controller_id, a.set, a.state, a.active, a.force_type, a.force_time_ms, a.weight, a.window, a.rollout,
          a.group, a.last_code, a.external_ref, a.initiated_by, a.full_fallback, a.status_count, a.intermediate_count,
          a.last_entry, a.device_answered, a.last_seq, a.seq_mask, a.payload_bytes, a.blocked, a.offers, a.audit);
}
template <typename Archive, Is<ActionStatus> T>
void Fields(Archive& archive, T& s) {
  archive(s.state, s.reported_at_ms, s.timestamp_ms, s.code, s.messages);
}
template <typename Archive, Is<Rollout> T>
void Fields(Archive& archive, T& r) {
  archive(r.name, r.description, r.set, r.target_filter, r.state, r.force_type, r.force_time_ms, r.start_at_ms,
          r.weight, r.full_fallback, r.confirmation_required, r.dynamic, r.deleted, r.approval_decided_by,
          r.approval_remark, r.total_targets, r.groups, r.audit);
}
template <typename Archive, Is<GroupConditions> T>
void Fields(Archive& archive, T& c) {
  archive(c.success_percent, c.error_percent, c.has_error_condition, c.success_pauses);
}
template <typename Archive, Is<DeployGroup> T>
void Fields(Archive& archive, T& g) {
  archive(g.rollout, g.name, g.description, g.target_filter, g.target_millipercent, g.state, g.conditions,
          g.total_targets, g.counts, g.audit);
}
template <typename Archive, Is<Blob> T>
void Fields(Archive& archive, T& b) {
  archive(b.sha1, b.md5, b.size);
}

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
