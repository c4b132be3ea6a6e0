#include "server/mgmt/listing.h"

#include <charconv>

#include "core/text.h"

namespace till::mgmt {
namespace {

constexpr uint64_t kMaxLimit = 500;

int64_t ToNumber(const std::string& text) {
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::optional<Response> ReadNumber(const Call& call, const char* name, uint64_t& number) {
  const auto text = call.request.QueryParameter(name);
  if (!text) return std::nullopt;
  const auto parsed = ParseUint(*text);
  if (!parsed.ok()) return Refuse(400, "repo.constraintViolation", std::string(name) + " is no number");
  number = *parsed;
  return std::nullopt;
}

std::optional<Response> ReadSort(std::string_view text, std::span<const rsql::Field> fields, ListQuery& query) {
  for (const std::string_view part : Split(text, ',')) {
    const size_t colon = part.find(':');
    if (colon == std::string_view::npos) {
      return Refuse(400, "rest.param.sortParamSyntax", "sort is field:ASC or field:DESC");
    }
    const std::string name = ToLower(Trim(part.substr(0, colon)));
    const std::string_view direction = Trim(part.substr(colon + 1));
    SortKey key;
    key.descending = EqualsIgnoreCase(direction, "DESC");
    if (!key.descending && !EqualsIgnoreCase(direction, "ASC")) {
      return Refuse(400, "rest.param.invalidDirection", "sort direction is ASC or DESC");
    }
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const rsql::Field& f) { return name == f.name; });
    if (field == fields.end() || query.sort.size() >= 8) {
      return Refuse(400, "rest.param.invalidField", "cannot sort by this field: " + Printable(name));
    }
    key.field = name;
    key.kind = field->kind;
    query.sort.push_back(std::move(key));
  }
  return std::nullopt;
}

}  // namespace

std::optional<Response> ReadListQuery(const Call& call, std::span<const rsql::Field> fields, ListQuery& query) {
  if (auto refusal = ReadNumber(call, "offset", query.offset)) return refusal;
  if (auto refusal = ReadNumber(call, "limit", query.limit)) return refusal;
  query.limit = std::min(query.limit, kMaxLimit);
  const auto sort = call.request.QueryParameter("sort");
  if (sort && !sort->empty()) {
    if (auto refusal = ReadSort(*sort, fields, query)) return refusal;
  }
  const auto representation = call.request.QueryParameter("representation");
  query.full = representation && EqualsIgnoreCase(*representation, "full");
  auto filter = rsql::Filter::Parse(call.request.QueryParameter("q").value_or(""), fields);
  if (!filter.ok()) {
    const bool field = filter.error().code == ErrorCode::kNotFound;
    return Refuse(
        400, field ? "rest.param.rsqlInvalidField" : "rest.param.rsqlParamSyntax",
        std::string("q: ") + filter.error().what + " (at character " + std::to_string(filter.error().detail) + ")");
  }
  query.filter = std::move(*filter);
  return std::nullopt;
}

bool SortsBefore(const ListQuery& query, const SortValues& a, const SortValues& b) {
  for (size_t i = 0; i < query.sort.size(); ++i) {
    const SortKey& key = query.sort[i];
    int order = 0;
    if (key.kind == rsql::FieldKind::kNumber) {
      const int64_t left = ToNumber(a[i]), right = ToNumber(b[i]);
      order = left < right ? -1 : (left > right ? 1 : 0);
    } else {
      order = ToLower(a[i]).compare(ToLower(b[i]));
    }
    if (order != 0) return key.descending ? order > 0 : order < 0;
  }
  return false;
}

json::Value ListBody(std::vector<json::Value> content, uint64_t total) {
  json::Value body = json::Value::Object();
  const uint64_t size = content.size();
  body.Set("content", json::Value::Array(std::move(content)));
  body.Set("total", total).Set("size", size);
  return body;
}

}  // namespace till::mgmt
