#include "server/running_hub.h"

#include <sys/stat.h>

#include "core/crypto/hash.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "server/artifacts/artifact_store.h"
#include "server/auth/credentials.h"
#include "server/auth/operators.h"
#include "server/choose/release_index.h"
#include "server/ddi/ddi_handler.h"
#include "server/faults.h"
#include "server/front/front.h"
#include "server/hub.h"
#include "server/model/tenant_config.h"
#include "server/publish/access_log.h"
#include "server/publish/delta_jobs.h"
#include "server/publish/publish_handler.h"
#include "server/publish/tuf_depot.h"
#include "server/rollout/ticker.h"
#include "server/router.h"
#include "server/store/last_seen.h"
#include "server/store/writer.h"

namespace till::server {
namespace {

constexpr size_t kMaxQueuedWrites = 20'000;
constexpr unsigned kWorkers = 4;
constexpr size_t kMaxQueuedJobs = 1'000;
constexpr int64_t kFlushEveryMs = 30'000;
constexpr int64_t kRolloutEveryMs = 1'000;
constexpr int64_t kStopGraceMs = 2'000;

// What edges are given to fetch payloads with: a token made at the first start into DATA/edge.token, or the one of
// --edge-token-file. What `tillhub token rm` took away is not made again.
Status SettleEdgeToken(kv::Store& store, const ServeOptions& options, int64_t now_ms) {
  std::string token;
  if (!options.edge_token_file.empty()) token = Trim(TILL_TRY(ReadTextFile(options.edge_token_file, 4096)));
  bool settled = false;
  TILL_TRY(store.Update([&](kv::WriteTxn& txn) -> Status {
    TILL_TRY(TakeOverEdgeToken(txn));
    settled = TILL_TRY(HadEdgeToken(txn));
    const bool known = !token.empty() && TILL_TRY(FindToken(txn, TokenKind::kEdge, token)).has_value();
    if (token.empty() || known) return Ok();
    const auto removed = RemoveToken(txn, TokenKind::kEdge, kEdgeTokenOfFile);
    if (!removed.ok() && removed.error().code != ErrorCode::kNotFound) return removed;
    return PutToken(txn, TokenKind::kEdge, token, {kEdgeTokenOfFile, now_ms});
  }));
  if (settled || !token.empty()) return Ok();
  token = NewToken(TokenKind::kEdge, "");
  TILL_TRY(WriteFileAtomically(options.data_folder + "/edge.token", AsBytes(token + "\n"), 0600));
  return store.Update([&](kv::WriteTxn& txn) {
    return PutToken(txn, TokenKind::kEdge, token, {kFirstEdgeToken, now_ms});
  });
}

}  // namespace

// Members die from the last to the first: the server, already stopped, goes when nobody can answer any more.
struct RunningHub::Parts {
  ServeOptions options;
  Clock& clock;
  bool wrote_token = false;
  int64_t flushed_at_ms = 0;
  std::unique_ptr<kv::Store> store;
  std::unique_ptr<ArtifactStore> artifacts;
  std::unique_ptr<AccessLog> access_log;
  std::unique_ptr<Operators> operators;
  ReleaseBook releases;
  LastSeen last_seen;
  std::unique_ptr<TufDepot> depot;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<Writer> writer;
  std::unique_ptr<http::WorkerPool> workers;
  std::unique_ptr<Hub> hub;
  std::unique_ptr<PublishHandler> publish;
  std::unique_ptr<DeltaJobs> delta_jobs;
  std::unique_ptr<DdiHandler> ddi;
  std::unique_ptr<front::Front> front;
  std::unique_ptr<rollout::Ticker> ticker;
  Router router;

  Parts(ServeOptions given, Clock& time) : options(std::move(given)), clock(time) {}

  // Each answers null when it went well, else the fault; `error` and `context` say more.
  const Fault* OpenData();
  const Fault* OpenTrust();
  const Fault* Listen();
  Error error{ErrorCode::kInvalid, "", 0};
  std::string context;

  bool Took(const Status& status, std::string what) {
    if (status.ok()) return true;
    error = status.error();
    context = std::move(what);
    return false;
  }
  template <typename T>
  bool Took(Result<T>&& result, T* into, std::string what) {
    if (!result.ok()) return Took(Status(result.error()), std::move(what));
    *into = std::move(*result);
    return true;
  }
};

const Fault* RunningHub::Parts::OpenData() {
  const std::string& data = options.data_folder;
  if (!Took(MakeFolders(data), data)) return &faults::kBadDataFolder;
  chmod(data.c_str(), 0700);  // tokens lie in it
  kv::Store::Options store_options;
  store_options.map_bytes = options.store_bytes;
  store_options.durable = options.durable;
  if (!Took(kv::Store::Open(data + "/store", store_options), &store, data + "/store")) {
    if (error.code == ErrorCode::kCorrupt) return &faults::kStoreDamaged;
    return error.code == ErrorCode::kConflict ? &faults::kAlreadyRunning : &faults::kBadDataFolder;
  }
  if (!Took(ArtifactStore::Open(data + "/artifacts"), &artifacts, data + "/artifacts")) return &faults::kBadDataFolder;
  if (!Took(last_seen.Load(*store), data + "/store")) return &faults::kStoreDamaged;
  if (!Took(AccessLog::Open(options.access_log, clock), &access_log, options.access_log)) return &faults::kBadAccessLog;
  return nullptr;
}

const Fault* RunningHub::Parts::OpenTrust() {
  const std::string& data = options.data_folder;
  operators = std::make_unique<Operators>(*store, clock);
  if (!Took(operators->Bootstrap(options.bootstrap_admin, data + "/admin.token"), &wrote_token, data)) {
    return error.code == ErrorCode::kInvalid ? &faults::kBadBootstrap : &faults::kBadDataFolder;
  }
  if (!Took(SettleEdgeToken(*store, options, clock.UnixMs()),
            options.edge_token_file.empty() ? data : options.edge_token_file)) {
    return options.edge_token_file.empty() ? &faults::kBadDataFolder : &faults::kBadEdgeToken;
  }
  std::string root;
  if (!options.trusted_root_file.empty() &&
      !Took(ReadTextFile(options.trusted_root_file), &root, options.trusted_root_file)) {
    return &faults::kBadTrustedRoot;
  }
  if (!Took(TufDepot::Open(data, root, releases, clock), &depot, root.empty() ? data : options.trusted_root_file)) {
    return &faults::kBadTrustedRoot;
  }
  return nullptr;
}

const Fault* RunningHub::Parts::Listen() {
  writer = std::make_unique<Writer>(*store, kMaxQueuedWrites);
  workers = std::make_unique<http::WorkerPool>(kWorkers, kMaxQueuedJobs);
  hub = std::make_unique<Hub>(Hub{*store, *writer, last_seen, *artifacts, *operators, releases, clock, "DEFAULT",
                                  options.base_url, options.trusted_proxies, options.min_polling_s});
  publish = std::make_unique<PublishHandler>(*hub, *depot, *access_log, *workers);
  ddi = std::make_unique<DdiHandler>(*hub, *access_log);
  router.Add([this](const http::Request& request) { return ddi->Takes(request); }, *ddi);
  router.Add([this](const http::Request& request) { return publish->Takes(request); }, *publish);
  if (!Took(front::Front::Start(*hub), &front, "management plane")) return &faults::kNoManagement;
  router.Add(front::Front::Takes, *front);
  delta_jobs = std::make_unique<DeltaJobs>(*hub, *workers);
  router.Add(DeltaJobs::Takes, *delta_jobs);
  ticker = std::make_unique<rollout::Ticker>(*hub, kRolloutEveryMs);

  http::ServerOptions server_options;
  server_options.address = options.address;
  server_options.port = options.port;
  server_options.loops = options.loops;
  server_options.tls_cert_file = options.tls_cert_file;
  server_options.tls_key_file = options.tls_key_file;
  server_options.max_connections_per_address = options.max_connections_per_address;
  server_options.proxies = options.trusted_proxies;
  const std::string where = options.address + ":" + std::to_string(options.port);
  for (const std::string& file : {options.tls_cert_file, options.tls_key_file}) {
    if (file.empty() || FileExists(file)) continue;
    Took(Error{ErrorCode::kNotFound, "no such file"}, file);
    return &faults::kBadTls;
  }
  if (Took(http::Server::Start(server_options, router), &server, where)) return nullptr;
  if (error.code == ErrorCode::kConflict) return &faults::kPortInUse;
  // Without a certificate only the address can be wrong; with one, an errno says it was the address after all.
  if (options.tls_cert_file.empty() || error.detail != 0) return &faults::kBadAddress;
  context = options.tls_cert_file + " with the key " + options.tls_key_file;
  return &faults::kBadTls;
}

RunningHub::RunningHub(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

std::unique_ptr<RunningHub> RunningHub::Start(const ServeOptions& options, Clock& clock, StartFailure* failure) {
  auto parts = std::make_unique<Parts>(options, clock);
  const Fault* fault = parts->OpenData();
  if (!fault) fault = parts->OpenTrust();
  if (!fault) fault = parts->Listen();
  if (fault && IsDiskFull(parts->error)) fault = &faults::kDiskFull;
  if (fault) {
    *failure = {fault, parts->context, parts->error};
    return nullptr;
  }
  parts->flushed_at_ms = clock.MonotonicMs();
  return std::unique_ptr<RunningHub>(new RunningHub(std::move(parts)));
}

RunningHub::~RunningHub() {
  parts_->server->Stop(kStopGraceMs);
  parts_->operators->Stop();  // they call the handlers
  parts_->ticker.reset();
  parts_->front.reset();
  parts_->workers.reset();
  parts_->writer.reset();
  const Status flushed = parts_->last_seen.Flush(*parts_->store);
  if (!flushed.ok()) log::Warn("last-seen stamps were not kept", {{"error", flushed.error()}});
}

std::string RunningHub::url() const {
  const std::string& address = parts_->options.address;
  const bool v6 = address.find(':') != std::string::npos;
  return std::string(parts_->options.tls_cert_file.empty() ? "http://" : "https://") +
         (v6 ? "[" + address + "]" : address) + ":" + std::to_string(port());
}

uint16_t RunningHub::port() const { return parts_->server->port(); }
bool RunningHub::wrote_admin_token() const { return parts_->wrote_token; }

void RunningHub::Tick() {
  const int64_t now_ms = parts_->clock.MonotonicMs();
  if (now_ms - parts_->flushed_at_ms < kFlushEveryMs) return;
  parts_->flushed_at_ms = now_ms;
  const Status flushed = parts_->last_seen.Flush(*parts_->store);
  if (!flushed.ok()) log::Warn("last-seen stamps were not kept", {{"error", flushed.error()}});
}

}  // namespace till::server
