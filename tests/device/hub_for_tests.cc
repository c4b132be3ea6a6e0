#include "tests/device/hub_for_tests.h"

#include <gtest/gtest.h>

#include <ctime>
#include <fstream>
#include <sstream>

#include "core/chunklist.h"
#include "core/crypto/hash.h"
#include "delta/chunks/chunk_assembler.h"
#include "delta/chunks/chunk_file.h"
#include "delta/diff/diff.h"

namespace till::device {
namespace {

constexpr const char* kController = "/DEFAULT/controller/v1/pos-1";

std::string ArtifactPath(const std::string& path) {
  std::string name = path;
  for (char& c : name) c = c == '/' ? '_' : c;
  return std::string(kController) + "/softwaremodules/7/artifacts/" + name;
}

std::string Hex(const std::string& bytes) { return ToHex(crypto::Sha256Of(AsBytes(bytes))); }

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream out;
  out << file.rdbuf();
  return file ? out.str() : "";
}

// {"length","sha256"} of a part of a payload.
json::Value Part(const std::string& payload, uint64_t from, uint64_t length) {
  json::Value part;
  part.Set("length", length).Set("sha256", Hex(payload.substr(from, length)));
  return part;
}

void Override(json::Value& value, const json::Value& with) {
  for (const auto& [key, item] : with.members()) value.Set(key, item);
}

// Part of a text, counted, and cut where the test says.
class CutStream final : public http::BodyStream {
 public:
  CutStream(std::string bytes, bool cut, uint64_t* sent, std::mutex* mutex)
      : bytes_(std::move(bytes)), cut_(cut), sent_(sent), mutex_(mutex) {}
  http::Piece Next() override {
    http::Piece piece;
    if (given_) {
      piece.kind = cut_ ? http::Piece::Kind::kAbort : http::Piece::Kind::kEnd;
      return piece;
    }
    given_ = true;
    piece.kind = http::Piece::Kind::kBytes;
    piece.bytes = std::move(bytes_);
    if (piece.bytes.empty()) piece.kind = cut_ ? http::Piece::Kind::kAbort : http::Piece::Kind::kEnd;
    return piece;
  }
  void OnDone(uint64_t sent_bytes, bool) override {
    const std::lock_guard lock(*mutex_);
    *sent_ += sent_bytes;
  }

 private:
  std::string bytes_;
  bool cut_;
  bool given_ = false;
  uint64_t* sent_;
  std::mutex* mutex_;
};

}  // namespace

HubForTests::HubForTests(std::string folder, int64_t signs_at) : folder_(std::move(folder)), signs_at_(signs_at) {
  for (tuf::RoleKeys* role : {&roles_.root, &roles_.targets, &roles_.deltas, &roles_.snapshot, &roles_.timestamp}) {
    role->keys.push_back(crypto::PrivateKey::Generate());
  }
  EXPECT_TRUE(tuf::Repository::Create(folder_ + "/tuf", roles_, {}, SigningTime()).ok());
  http::ServerOptions options;
  options.loops = 1;
  auto started = http::Server::Start(options, *this);
  EXPECT_TRUE(started.ok());
  server_ = std::move(started).value();
}

HubForTests::~HubForTests() { server_.reset(); }

void HubForTests::PublishImage(const std::string& version, const std::string& image, int rollback_index,
                               const json::Value& custom, const std::string& component) {
  tuf::TargetEntry entry;
  entry.path = "images/pos/" + version + "/" + component;
  entry.role = "targets";
  entry.length = image.size();
  entry.sha256 = crypto::Sha256Of(AsBytes(image));
  entry.custom.Set("version", version);
  entry.custom.Set("rollback_index", rollback_index);
  entry.custom.Set("hardware", json::Value::Array({"acme,pos-90", "acme,pos-100"}));
  entry.custom.Set("slot_class", component);
  Override(entry.custom, custom);
  if (custom.Has("path")) entry.path = custom["path"].AsString();
  unsigned_entries_.push_back(std::move(entry));
}

std::string HubForTests::PublishPayload(const std::string& version, const std::string& base, const std::string& image,
                                        const json::Value& custom, bool signed_entry, const std::string& component) {
  const auto made = base.empty() ? delta::MakeFull(AsBytes(image)) : delta::MakeDelta(AsBytes(base), AsBytes(image));
  EXPECT_TRUE(made.ok());
  const std::string payload(AsText(*made));
  const uint64_t list_bytes = ChunkList::EncodedLength(ByteView(*made).first(16)).value();
  tuf::TargetEntry entry;
  entry.path =
      "payloads/pos/" + version + "/" + component + "/" + (base.empty() ? "full" : "from-" + Hex(base).substr(0, 16));
  entry.role = "deltas";
  entry.length = payload.size();
  entry.sha256 = crypto::Sha256Of(*made);
  entry.custom.Set("kind", base.empty() ? "full" : "delta");
  entry.custom.Set("target", Hex(image));
  entry.custom.Set("target_length", static_cast<uint64_t>(image.size()));
  if (!base.empty()) {
    entry.custom.Set("base", Hex(base));
    entry.custom.Set("base_length", static_cast<uint64_t>(base.size()));
  }
  entry.custom.Set("chunks", Part(payload, 0, list_bytes));
  entry.custom.Set("arena_bytes", delta::DecodeHeader(ByteView(*made).subspan(list_bytes)).value().arena_bytes);
  entry.custom.Set("format", 1);
  Override(entry.custom, custom);
  std::string path = entry.path;
  payloads_[path] = payload;
  if (signed_entry) unsigned_entries_.push_back(std::move(entry));
  AtHub(path).bytes = payload;
  return path;
}

std::string HubForTests::PublishChunks(const std::string& version, const std::string& image,
                                       const json::Value& custom) {
  MemorySource source(AsBytes(image));
  MemorySink sink(4 << 20);
  const delta::ChunkFile made = delta::WriteChunkFile(source, 10, sink).value();
  const std::string payload(AsText(sink.bytes()));
  tuf::TargetEntry entry;
  entry.path = "payloads/pos/" + version + "/rootfs/chunks";
  entry.role = "deltas";
  entry.length = payload.size();
  entry.sha256 = crypto::Sha256Of(sink.bytes());
  entry.custom.Set("kind", "chunks");
  entry.custom.Set("target", Hex(image));
  entry.custom.Set("target_length", static_cast<uint64_t>(image.size()));
  entry.custom.Set("chunks", Part(payload, 0, made.list_bytes));
  entry.custom.Set("index", Part(payload, made.list_bytes, made.index_bytes));
  entry.custom.Set("arena_bytes", delta::ChunkAssembler::ArenaBytesFor(made.index));
  entry.custom.Set("format", 1);
  Override(entry.custom, custom);
  std::string path = entry.path;
  payloads_[path] = payload;
  unsigned_entries_.push_back(std::move(entry));
  AtHub(path).bytes = payload;
  return path;
}

void HubForTests::Sign() {
  auto repository = tuf::Repository::Open(folder_ + "/tuf");
  ASSERT_TRUE(repository.ok()) << repository.error().what;
  for (tuf::TargetEntry& entry : unsigned_entries_) repository->Put(std::move(entry));
  unsigned_entries_.clear();
  const Status published = repository->Publish(roles_, {}, SigningTime());
  ASSERT_TRUE(published.ok()) << published.error().what;
}

void HubForTests::Offer(OfferForTests offer) {
  const std::lock_guard lock(mutex_);
  offer_ = std::move(offer);
  active_ = true;
  if (!offer_.metadata_artifact.empty()) served_[ArtifactPath("release.tuf")].bytes = ReadAll(offer_.metadata_artifact);
}

void HubForTests::SetUpdate(const std::string& update) {
  const std::lock_guard lock(mutex_);
  offer_.update = update;
}

void HubForTests::Cancel(const std::string& action) {
  const std::lock_guard lock(mutex_);
  cancel_ = action;
}

std::string HubForTests::PayloadHash(const std::string& path) const { return Hex(payloads_.at(path)); }
Served& HubForTests::At(const std::string& url_path) { return served_[url_path]; }
Served& HubForTests::AtHub(const std::string& path) { return At(ArtifactPath(path)); }
Served& HubForTests::AtMirror(const std::string& mirror, const std::string& path) {
  Served& served = At(mirror + "/a/" + PayloadHash(path));
  if (served.bytes.empty()) served.bytes = payloads_.at(path);
  return served;
}

std::vector<Heard> HubForTests::heard() const {
  const std::lock_guard lock(mutex_);
  return heard_;
}

std::vector<Heard> HubForTests::heard_once() const {
  std::vector<Heard> out;
  std::set<std::pair<std::string, int64_t>> seen;
  for (const Heard& h : heard()) {
    if (h.seq == 0 || seen.insert({h.action, h.seq}).second) out.push_back(h);
  }
  return out;
}

std::string HubForTests::Outcome(const std::string& action) const {
  for (const Heard& h : heard()) {
    if (h.action == action && h.execution == "closed" && !h.about_cancel) {
      return h.finished == "success" ? "success" : h.finished + ": " + h.detail;
    }
  }
  return "";
}

uint64_t HubForTests::payload_bytes_sent() const {
  const std::lock_guard lock(mutex_);
  return payload_bytes_sent_;
}

void HubForTests::Forget(const std::string& url_path) {
  const std::lock_guard lock(mutex_);
  served_.erase(url_path);
}

uint64_t HubForTests::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::vector<uint64_t> HubForTests::payload_starts() const {
  const std::lock_guard lock(mutex_);
  return payload_starts_;
}

std::map<std::string, std::string> HubForTests::attributes() const {
  const std::lock_guard lock(mutex_);
  return attributes_;
}

std::vector<std::string> HubForTests::mirror_tokens() const {
  const std::lock_guard lock(mutex_);
  return mirror_tokens_;
}

void HubForTests::OnRequest(std::shared_ptr<http::Exchange> exchange) {
  exchange->Respond(Answer(exchange->request()));
}

http::Response HubForTests::Answer(const http::Request& request) {
  const std::lock_guard lock(mutex_);
  requests_++;
  const std::string& path = request.path;
  const std::string controller = kController;
  const auto blob = served_.find(path);
  if (blob == served_.end() && path.starts_with("/DEFAULT/tuf/")) return Metadata(path.substr(13));
  if (blob != served_.end()) {
    if (!path.starts_with(controller)) mirror_tokens_.emplace_back(request.header("Authorization"));
    return Blob(request, blob->second);
  }
  if (request.header("Authorization") != "TargetToken secret") return http::TextResponse(401, "");
  if (path == controller) return Base();
  if (path == controller + "/configData") {
    const auto body = json::Parse(request.body);
    for (const auto& [key, value] : (*body)["data"].members()) attributes_[key] = value.AsString();
    return http::TextResponse(200, "");
  }
  if (path.starts_with(controller + "/cancelAction/")) {
    if (request.method == "POST") return Feedback(request, true);
    return http::JsonResponse(200, "{\"id\":\"" + cancel_ + "\",\"cancelAction\":{\"stopId\":\"" + cancel_ + "\"}}");
  }
  if (path.starts_with(controller + "/deploymentBase/")) {
    if (request.method == "POST") return Feedback(request, false);
    return active_ && cancel_.empty() ? Deployment() : http::TextResponse(404, "");
  }
  return http::TextResponse(404, "");
}

http::Response HubForTests::Base() {
  std::string links;
  if (!cancel_.empty()) {
    links = "\"cancelAction\":{\"href\":\"" + url() + kController + "/cancelAction/" + cancel_ + "\"}";
  } else if (active_) {
    links = "\"deploymentBase\":{\"href\":\"" + url() + kController + "/deploymentBase/" + offer_.action + "?c=5\"}";
  }
  return http::JsonResponse(200, "{\"config\":{\"polling\":{\"sleep\":\"00:00:30\"}},\"_links\":{" + links + "}}");
}

json::Value HubForTests::Artifact(const std::string& name, const std::string& path, const std::string& bytes) const {
  json::Value artifact;
  artifact.Set("filename", name);
  json::Value hashes;
  hashes.Set("sha1", "").Set("md5", "");
  hashes.Set("sha256", Hex(bytes));
  artifact.Set("hashes", hashes);
  artifact.Set("size", static_cast<uint64_t>(bytes.size()));
  json::Value link;
  link.Set("href", url() + ArtifactPath(path));
  json::Value links = json::Value::Object();
  if (offer_.with_hub_link) links.Set("download-http", link);
  artifact.Set("_links", links);
  return artifact;
}

json::Value HubForTests::Module(const std::vector<std::string>& paths) const {
  json::Value artifacts = json::Value::Array();
  for (const std::string& path : paths) artifacts.Append(Artifact("payload", path, payloads_.at(path)));
  if (!offer_.metadata_artifact.empty()) {
    artifacts.Append(Artifact("release.tuf", "release.tuf", served_.at(ArtifactPath("release.tuf")).bytes));
  }
  json::Value metadata;
  for (const auto& [key, text] :
       {std::pair{"till.mirrors", offer_.mirrors}, std::pair{"till.fallback", offer_.fallback}}) {
    json::Value item;
    item.Set("key", key);
    item.Set("value", text);
    metadata.Append(item);
  }
  json::Value chunk;
  chunk.Set("part", "os");
  chunk.Set("name", "pos-rootfs");
  chunk.Set("version", "1");
  chunk.Set("artifacts", artifacts);
  chunk.Set("metadata", metadata);
  return chunk;
}

http::Response HubForTests::Deployment() {
  std::vector<std::string> paths = {offer_.payload_path};
  paths.insert(paths.end(), offer_.more_payloads.begin(), offer_.more_payloads.end());
  json::Value chunks = json::Value::Array({Module(paths)});
  for (const std::string& path : offer_.other_modules) chunks.Append(Module({path}));
  json::Value deployment;
  deployment.Set("download", "forced");
  deployment.Set("update", offer_.update);
  deployment.Set("chunks", chunks);
  json::Value body;
  body.Set("id", offer_.action);
  body.Set("deployment", deployment);
  return http::JsonResponse(200, json::Write(body));
}

http::Response HubForTests::Feedback(const http::Request& request, bool about_cancel) {
  const auto body = json::Parse(request.body);
  EXPECT_TRUE(body.ok()) << request.body;
  const json::Value& status = (*body)["status"];
  Heard h;
  h.about_cancel = about_cancel;
  const std::string prefix = std::string(kController) + (about_cancel ? "/cancelAction/" : "/deploymentBase/");
  h.action = request.path.substr(prefix.size(), request.path.rfind('/') - prefix.size());
  h.execution = status["execution"].AsString();
  h.finished = status["result"]["finished"].AsString();
  h.code = status["code"].AsInteger();
  if (!status["details"].items().empty()) h.detail = status["details"].items()[0].AsString();
  for (const json::Value& detail : status["details"].items()) h.all_details += detail.AsString() + "\n";
  h.seq = (*body)["till"]["seq"].AsInteger();
  h.bytes = (*body)["till"]["bytes"].AsInteger();
  heard_.push_back(h);
  if (h.code == cancel_when_heard_) cancel_ = h.action;
  if (h.execution == "closed" && about_cancel) cancel_.clear(), active_ = false;
  if (h.execution == "rejected" && about_cancel) cancel_.clear();
  if (h.execution == "closed" && h.action == offer_.action) active_ = false;
  return http::TextResponse(200, "");
}

http::Response HubForTests::Blob(const http::Request& request, Served& served) {
  if (served.status != 200) return http::TextResponse(served.status, "");
  if (served.refusals_left > 0) return served.refusals_left--, http::TextResponse(503, "");
  const bool cut_now = served.cuts_left > 0 && served.cut_after != UINT64_MAX;
  if (cut_now) served.cuts_left--, served.refusals_left = served.refusals_after_cut;
  http::RangeBody body;
  body.size = served.bytes.size();
  body.etag = "\"" + Hex(served.bytes) + "\"";
  body.make_stream = [this, &served, cut_now](uint64_t first, uint64_t length) {
    payload_starts_.push_back(first);
    const bool cut = cut_now && served.cut_after < length;
    return std::make_unique<CutStream>(served.bytes.substr(first, cut ? served.cut_after : length), cut,
                                       &payload_bytes_sent_, &mutex_);
  };
  return http::RangeResponse(request, std::move(body));
}

http::Response HubForTests::Metadata(const std::string& name) {
  const std::string bytes = serves_metadata_ ? ReadAll(folder_ + "/tuf/" + name) : "";
  return bytes.empty() ? http::TextResponse(404, "") : http::JsonResponse(200, bytes);
}

}  // namespace till::device
