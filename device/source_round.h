// Which source is asked next. One that served wrong bytes is not asked again: they would only come a second time. One
// that broke off gives way to the next; when all did, but bytes came, the round begins once more: a new start would
// begin at the last checkpoint, and a link that never holds for long would bring the same bytes for ever.
#pragma once

#include <algorithm>
#include <vector>

#include "device/contact.h"
#include "device/payload_fetcher.h"

namespace till::device {

class SourceRound {
 public:
  static constexpr uint64_t kWorthwhileBytes = 4096;  // of a round over all sources: below it the link rests

  // `sources` outlives the round; `received_bytes` came before it.
  SourceRound(const std::vector<PayloadSource>& sources, uint64_t received_bytes) : round_from_(received_bytes) {
    for (const PayloadSource& source : sources) left_.push_back(&source);
  }

  // Whom to ask now; null: nobody delivers at present.
  const PayloadSource* current() const { return at_ < left_.size() ? left_[at_] : nullptr; }
  // The current one broke off, or has nothing. `received_bytes`: in all so far.
  void Next(uint64_t received_bytes) {
    at_++;
    MaybeAgain(received_bytes);
  }
  // The current one served wrong bytes.
  void Drop(uint64_t received_bytes) {
    left_.erase(left_.begin() + static_cast<ptrdiff_t>(at_));
    dropped_++;
    MaybeAgain(received_bytes);
  }
  // Why the current one did not deliver; called before Next() or Drop(). The last word of each source is kept.
  void Blame(const Error& error) {
    const std::string& url = left_[at_]->url;
    std::erase_if(troubles_, [&](const LinkTrouble& trouble) { return trouble.url == url; });
    troubles_.push_back({url, error});
  }
  const std::vector<LinkTrouble>& troubles() const { return troubles_; }
  // Every source served wrong bytes: how many; 0 while one is left.
  size_t all_dropped() const { return left_.empty() ? dropped_ : 0; }

 private:
  void MaybeAgain(uint64_t received_bytes) {
    if (at_ < left_.size() || received_bytes < round_from_ + kWorthwhileBytes) return;
    round_from_ = received_bytes;
    at_ = 0;
  }

  std::vector<const PayloadSource*> left_;
  size_t at_ = 0;
  size_t dropped_ = 0;
  uint64_t round_from_;
  std::vector<LinkTrouble> troubles_;
};

}  // namespace till::device
