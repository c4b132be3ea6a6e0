#include "server/cli/output.h"

#include <algorithm>
#include <cstdio>

#include "core/text.h"

namespace till::cli {

std::string Table::Format() const {
  std::vector<size_t> widths(rows_[0].size(), 0);
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i)
      widths[i] = std::max(widths[i], Printable(row[i]).size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      std::string cell = Printable(row[i]);
      if (i + 1 < row.size()) cell.resize(widths[i] + 2, ' ');
      line += cell;
    }
    text += line + "\n";
  }
  return text;
}

void Print(const Listing& listing, OutputForm form) {
  std::string text;
  switch (form) {
    case OutputForm::kTable:
      text = listing.table.Format();
      break;
    case OutputForm::kJson:
      text = json::WritePretty(listing.entries) + "\n";
      break;
    case OutputForm::kName:
      for (const std::string& name : listing.names) text += Printable(name) + "\n";
      break;
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
}

std::string FormatAge(int64_t then_ms, int64_t now_ms) {
  if (then_ms <= 0) return "never";
  const int64_t seconds = std::max<int64_t>(0, (now_ms - then_ms) / 1000);
  if (seconds < 120) return std::to_string(seconds) + " s ago";
  if (seconds < 2 * 3600) return std::to_string(seconds / 60) + " min ago";
  if (seconds < 2 * 86400) return std::to_string(seconds / 3600) + " h ago";
  return std::to_string(seconds / 86400) + " d ago";
}

}  // namespace till::cli
