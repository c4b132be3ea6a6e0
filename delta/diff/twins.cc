#include "delta/diff/twins.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

namespace till::delta {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); }

// "/lib/modules/6.1.0-47-4kc/a.ko" → "/lib/modules/#-4kc/a.ko": runs of numbers with . and - between them become one
// mark, and so do hashes of 8 and more digits as build tools put into names.
std::string WithoutNumbers(std::string_view path) {
  std::string plain;
  for (size_t i = 0; i < path.size();) {
    size_t hex = i;
    while (hex < path.size() && IsHex(path[hex])) ++hex;
    const bool hash = hex - i >= 8 && (i == 0 || !std::isalnum(static_cast<unsigned char>(path[i - 1])));
    if (!hash && !IsDigit(path[i])) {
      plain += path[i++];
      continue;
    }
    size_t end = hash ? hex : i;
    while (end < path.size() && (IsDigit(path[end]) || ((path[end] == '.' || path[end] == '-' || path[end] == '_') &&
                                                        end + 1 < path.size() && IsDigit(path[end + 1])))) {
      ++end;
    }
    plain += '#';
    i = end;
  }
  return plain;
}

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

uint64_t Apart(uint64_t a, uint64_t b) { return a > b ? a - b : b - a; }

class TwinFinder {
 public:
  TwinFinder(const std::vector<ContainedFile>& base, const std::vector<ContainedFile>& target)
      : base_(base), target_(target), twins_(target.size(), kNoTwin), taken_(base.size()) {}

  std::vector<int64_t> Run() {
    BySamePath();
    ByKey([](const std::string& path) { return WithoutNumbers(path); });
    ByKey([](const std::string& path) { return std::string(NameOf(path)); });
    ByKey([](const std::string& path) { return WithoutNumbers(NameOf(path)); });
    return std::move(twins_);
  }

 private:
  void BySamePath() {
    std::unordered_map<std::string_view, size_t> at;
    for (size_t i = 0; i < base_.size(); ++i) {
      at.try_emplace(base_[i].path, i);
      for (const std::string& alias : base_[i].aliases) at.try_emplace(alias, i);
    }
    const auto take = [&](size_t target, const std::string& path) {
      const auto found = at.find(path);
      if (found == at.end()) return false;
      twins_[target] = static_cast<int64_t>(found->second);
      taken_[found->second] = true;
      return true;
    };
    for (size_t i = 0; i < target_.size(); ++i) {
      if (take(i, target_[i].path)) continue;
      for (const std::string& alias : target_[i].aliases) {
        if (take(i, alias)) break;
      }
    }
  }

  // Pairs what is left on both sides by a key of the path; among several the nearest in size, then in place.
  void ByKey(const std::function<std::string(const std::string&)>& key_of) {
    std::map<std::string, std::vector<size_t>> gone;
    for (size_t i = 0; i < base_.size(); ++i) {
      if (!taken_[i]) gone[key_of(base_[i].path)].push_back(i);
    }
    for (size_t i = 0; i < target_.size(); ++i) {
      if (twins_[i] != kNoTwin) continue;
      const auto found = gone.find(key_of(target_[i].path));
      if (found == gone.end() || found->second.empty()) continue;
      std::vector<size_t>& candidates = found->second;
      const auto nearest = std::min_element(candidates.begin(), candidates.end(), [&](size_t a, size_t b) {
        return Apart(base_[a].size, target_[i].size) < Apart(base_[b].size, target_[i].size);
      });
      twins_[i] = static_cast<int64_t>(*nearest);
      taken_[*nearest] = true;
      candidates.erase(nearest);
    }
  }

  const std::vector<ContainedFile>& base_;
  const std::vector<ContainedFile>& target_;
  std::vector<int64_t> twins_;
  std::vector<bool> taken_;
};

}  // namespace

std::vector<int64_t> FindTwins(const std::vector<ContainedFile>& base, const std::vector<ContainedFile>& target) {
  return TwinFinder(base, target).Run();
}

}  // namespace till::delta
