// Lists of the Management API: offset, limit (default 50, at most 500), sort=field:ASC|DESC[,…], q=RSQL, and the answer
// {"content":[…],"total":T,"size":n}.
//   Unsorted lists keep only the page in memory; sorted ones everything that matches, as sort keys plus items.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/mgmt/api.h"
#include "server/mgmt/rsql.h"

namespace till::mgmt {

struct SortKey {
  std::string field;
  rsql::FieldKind kind = rsql::FieldKind::kText;
  bool descending = false;
};

struct ListQuery {
  uint64_t offset = 0;
  uint64_t limit = 50;
  std::vector<SortKey> sort;
  rsql::Filter filter;
  bool full = false;  // representation=full
};

// Fills `query` from the call's parameters; a refusal (400 with hawkBit's code) when one is wrong.
std::optional<Response> ReadListQuery(const Call& call, std::span<const rsql::Field> fields, ListQuery& query);

using SortValues = std::vector<std::string>;
// Whether `a` comes before `b` by the query's sort keys.
bool SortsBefore(const ListQuery& query, const SortValues& a, const SortValues& b);

// Collects what matches. `reader(item, comparison)` gives an item's values for a field.
template <typename T, typename Reader>
class Page {
 public:
  Page(const ListQuery& query, Reader reader) : query_(query), reader_(std::move(reader)) {}

  void Offer(const T& item) {
    const auto read = [&](const rsql::Comparison& wanted) { return reader_(item, wanted); };
    if (!query_.filter.Matches(read)) return;
    const uint64_t index = total_++;
    if (query_.sort.empty()) {
      if (index >= query_.offset && index - query_.offset < query_.limit) items_.push_back(item);
      return;
    }
    SortValues values;
    for (const SortKey& key : query_.sort) {
      rsql::Comparison wanted;
      wanted.field = key.field;
      wanted.kind = key.kind;
      const auto have = reader_(item, wanted);
      values.push_back(have.empty() ? "" : have[0]);
    }
    sorted_.emplace_back(std::move(values), item);
  }

  // Once, after the last Offer().
  const std::vector<T>& Items() {
    if (query_.sort.empty()) return items_;
    std::stable_sort(sorted_.begin(), sorted_.end(),
                     [&](const auto& a, const auto& b) { return SortsBefore(query_, a.first, b.first); });
    for (uint64_t i = query_.offset; i < sorted_.size() && items_.size() < query_.limit; ++i) {
      items_.push_back(std::move(sorted_[i].second));
    }
    return items_;
  }
  uint64_t total() const { return total_; }

 private:
  const ListQuery& query_;
  Reader reader_;
  uint64_t total_ = 0;
  std::vector<T> items_;
  std::vector<std::pair<SortValues, T>> sorted_;
};

json::Value ListBody(std::vector<json::Value> content, uint64_t total);

}  // namespace till::mgmt
