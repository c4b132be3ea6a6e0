// Lists of the Management API: offset, limit (default 50, at most 500), sort=field:ASC|DESC[,…], q=RSQL, and the answer
// {"content":[…],"total":T,"size":n}.
//   Only the page is in memory, at most kMaxPageBytes, and for a sorted list the sort keys of what stands before its
//   end.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "server/mgmt/api.h"
#include "server/mgmt/rsql.h"
#include "server/model/action.h"
#include "server/model/software.h"

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

// About what an item of a page holds in memory beside itself; overloaded where that is more than a name or two.
template <typename T>
size_t WeightOf(const T&) {
  return 0;
}
inline size_t WeightOf(const std::vector<server::Metadata>& entries) {
  size_t bytes = 0;
  for (const server::Metadata& entry : entries) bytes += entry.key.size() + entry.value.size();
  return bytes;
}
inline size_t WeightOf(const server::Metadata& entry) { return entry.key.size() + entry.value.size(); }
inline size_t WeightOf(const server::SoftwareModule& module) { return WeightOf(module.metadata); }
inline size_t WeightOf(const server::DistributionSet& set) { return WeightOf(set.metadata); }
inline size_t WeightOf(const server::ActionStatus& status) {
  size_t bytes = 0;
  for (const std::string& message : status.messages) bytes += message.size();
  return bytes;
}

// A page ends early when its items pass this; `size` in the answer says how many it has, and the next page begins
// behind them.
inline constexpr size_t kMaxPageBytes = 4 << 20;
// Sort keys of what stands before the end of a page: past it the list is to be narrowed with q.
inline constexpr size_t kMaxSortBytes = 64 << 20;

// Collects what matches. `reader(item, comparison)` gives an item's values for a field.
template <typename T, typename Reader>
class Page {
 public:
  Page(const ListQuery& query, Reader reader) : query_(query), reader_(std::move(reader)) {}

  // `scan(offer)` offers every item, always in the same order. It runs once for an unsorted list; for a sorted one
  // twice: to find out which items are on the page, and to collect them.
  template <typename Scan>
  Status Fill(Scan scan) {
    if (query_.sort.empty()) {
      return scan([&](const T& item) {
        if (!Matches(item)) return;
        const uint64_t index = total_++;
        if (index >= query_.offset) Keep(item);
      });
    }
    TILL_TRY(scan([&](const T& item) {
      if (Matches(item)) Rank(item, total_++);
    }));
    if (too_many_) return Error{ErrorCode::kInvalid, "too much to sort: narrow the list with q", kMaxSortBytes};
    return Collect(scan);
  }

  const std::vector<T>& Items() const { return items_; }
  uint64_t total() const { return total_; }

 private:
  struct Ranked {
    SortValues values;
    uint64_t index = 0;
  };

  bool Matches(const T& item) const {
    return query_.filter.Matches([&](const rsql::Comparison& wanted) { return reader_(item, wanted); });
  }
  void Keep(const T& item) {
    if (full_ || items_.size() >= query_.limit) return;
    bytes_ += sizeof(T) + WeightOf(item);
    full_ = bytes_ > kMaxPageBytes && !items_.empty();
    if (!full_) items_.push_back(item);
  }
  bool Before(const Ranked& a, const Ranked& b) const {
    if (SortsBefore(query_, a.values, b.values)) return true;
    return !SortsBefore(query_, b.values, a.values) && a.index < b.index;
  }
  // Keeps the keys of the first offset + limit items, the last of them on top of a heap.
  void Rank(const T& item, uint64_t index) {
    const uint64_t wanted = std::min<uint64_t>(query_.offset, UINT32_MAX) + query_.limit;
    if (too_many_ || wanted == 0) return;
    Ranked ranked{{}, index};
    for (const SortKey& key : query_.sort) {
      rsql::Comparison field;
      field.field = key.field;
      field.kind = key.kind;
      auto have = reader_(item, field);
      ranked.values.push_back(have.empty() ? "" : std::move(have[0]));
    }
    const auto before = [this](const Ranked& a, const Ranked& b) { return Before(a, b); };
    if (ranked_.size() == wanted && !Before(ranked, ranked_.front())) return;
    sort_bytes_ += BytesOf(ranked);
    ranked_.push_back(std::move(ranked));
    std::push_heap(ranked_.begin(), ranked_.end(), before);
    if (ranked_.size() > wanted) {
      std::pop_heap(ranked_.begin(), ranked_.end(), before);
      sort_bytes_ -= BytesOf(ranked_.back());
      ranked_.pop_back();
    }
    too_many_ = sort_bytes_ > kMaxSortBytes;
  }
  static size_t BytesOf(const Ranked& ranked) {
    size_t bytes = sizeof(Ranked);
    for (const std::string& value : ranked.values) bytes += sizeof(std::string) + value.size();
    return bytes;
  }
  template <typename Scan>
  Status Collect(Scan scan) {
    std::sort(ranked_.begin(), ranked_.end(), [this](const Ranked& a, const Ranked& b) { return Before(a, b); });
    std::map<uint64_t, size_t> places;  // on the page, by index
    for (uint64_t i = query_.offset; i < ranked_.size(); ++i) places[ranked_[i].index] = i - query_.offset;
    std::vector<std::optional<T>> placed(places.size());
    uint64_t index = 0;
    TILL_TRY(scan([&](const T& item) {
      if (!Matches(item)) return;
      const auto place = places.find(index++);
      if (place != places.end()) Place(item, place->second, placed);
    }));
    for (std::optional<T>& item : placed) {
      if (!item) break;
      items_.push_back(std::move(*item));
    }
    return Ok();
  }
  // Past the bound the last places are given up, never one before a place that is kept.
  void Place(const T& item, size_t place, std::vector<std::optional<T>>& placed) {
    if (place >= placed.size()) return;
    placed[place] = item;
    bytes_ += sizeof(T) + WeightOf(item);
    while (bytes_ > kMaxPageBytes && placed.size() > 1) {
      if (placed.back()) bytes_ -= sizeof(T) + WeightOf(*placed.back());
      placed.pop_back();
    }
  }

  const ListQuery& query_;
  Reader reader_;
  uint64_t total_ = 0;
  std::vector<T> items_;
  size_t bytes_ = 0;
  bool full_ = false;
  std::vector<Ranked> ranked_;
  size_t sort_bytes_ = 0;
  bool too_many_ = false;
};

json::Value ListBody(std::vector<json::Value> content, uint64_t total);

}  // namespace till::mgmt
