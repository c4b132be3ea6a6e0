// Which fields of each entity are stored, and in which order. Private to server/store: see record.h.
#pragma once

#include <concepts>
#include <type_traits>

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
          a.last_entry, a.device_answered, a.last_seq, a.seq_mask, a.payload_bytes, a.blocked, a.offers, a.audit,
          a.status_bytes);
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
          g.total_targets, g.counts, g.blocked_targets, g.audit, g.waiting_targets);
}
template <typename Archive, Is<Blob> T>
void Fields(Archive& archive, T& b) {
  archive(b.sha1, b.md5, b.size);
}

}  // namespace till::server
