#include "device/failure_bundle.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "core/file.h"
#include "core/text.h"

namespace till::device {
namespace {

constexpr uint64_t kMaxRecordBytes = 256 << 10;

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

struct Record {
  int64_t time = 0;
  std::string path;
};

std::vector<Record> Records(const std::string& folder) {
  std::vector<Record> records;
  const std::unique_ptr<DIR, CloseFolder> open(opendir(folder.c_str()));
  if (!open) return records;
  while (const dirent* entry = readdir(open.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with("dmesg") && !name.starts_with("console")) continue;
    const std::string path = folder + "/" + entry->d_name;
    struct stat about;
    if (stat(path.c_str(), &about) == 0) records.push_back({about.st_mtime, path});
  }
  std::sort(records.begin(), records.end(),
            [](const Record& a, const Record& b) { return a.time != b.time ? a.time > b.time : a.path > b.path; });
  return records;
}

// The end of a text, from a line's beginning where there is one.
std::string_view Tail(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  text = text.substr(text.size() - most);
  const size_t newline = text.find('\n');
  return newline == std::string_view::npos || newline + 1 == text.size() ? text : text.substr(newline + 1);
}

}  // namespace

std::string KernelTail(const std::string& folder, size_t most_bytes) {
  if (folder.empty()) return "";
  for (const Record& record : Records(folder)) {
    const auto text = ReadTextFile(record.path, kMaxRecordBytes);
    if (text.ok() && !Trim(*text).empty()) return std::string(Tail(Trim(*text), most_bytes));
  }
  return "";
}

std::vector<std::string> CutIntoDetails(std::string_view text, size_t piece_bytes, size_t most) {
  std::vector<std::string> pieces;
  text = Tail(text, piece_bytes * most);
  while (!text.empty() && pieces.size() < most) {
    size_t take = std::min(piece_bytes, text.size());
    const size_t newline = text.substr(0, take).rfind('\n');
    if (take < text.size() && newline != std::string_view::npos && newline > 0) take = newline + 1;
    std::string piece;
    for (const std::string_view line : Split(Trim(text.substr(0, take)), '\n')) {
      piece += (piece.empty() ? "" : "\n") + Printable(line);
    }
    if (!piece.empty()) pieces.push_back(piece.substr(0, piece_bytes));
    text.remove_prefix(take);
  }
  return pieces;
}

std::string MakeBundle(const BundleParts& parts, size_t budget_bytes) {
  std::string bundle;
  for (const auto& [name, text] : parts) {
    if (text.empty()) continue;
    const std::string head = std::string("== ") + name + "\n";
    if (bundle.size() + head.size() + 2 > budget_bytes) break;
    bundle += head;
    bundle += Tail(text, budget_bytes - bundle.size() - 1);
    if (bundle.back() != '\n') bundle += '\n';
  }
  return bundle.substr(0, budget_bytes);
}

}  // namespace till::device
