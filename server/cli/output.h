// What tillctl prints: a table for people, JSON for programs, names for shell loops. Data goes to stdout.
#pragma once

#include <string>
#include <vector>

#include "core/json/json.h"

namespace till::cli {

enum class OutputForm : uint8_t { kTable, kJson, kName };

// A table of texts; columns are as wide as their widest cell, the last one is not padded.
class Table {
 public:
  explicit Table(std::vector<std::string> headings) : rows_{std::move(headings)} {}
  void Add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string Format() const;
  size_t row_count() const { return rows_.size() - 1; }

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Prints one list in the chosen form: `entries` as JSON, the table, or the first cell of each row.
struct Listing {
  Table table;
  std::vector<std::string> names;
  json::Value entries = json::Value::Array();
};
void Print(const Listing& listing, OutputForm form);

// "3 min ago", "2 d ago", "never" for 0. Milliseconds since 1970.
std::string FormatAge(int64_t then_ms, int64_t now_ms);

}  // namespace till::cli
