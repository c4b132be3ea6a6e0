#include "core/http/client.h"

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "core/file.h"
#include "core/http/tls_time.h"
#include "core/text.h"

namespace till::http {
namespace {

constexpr size_t kMaxHeaderBytes = 64 << 10;
constexpr size_t kMaxUrlBytes = 8 << 10;
constexpr uint64_t kMaxErrorBodyBytes = 64 << 10;  // of an answer that a download cannot use: read on, then cut

struct CurlEnd {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListEnd {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, ListEnd>;

bool IsToken(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool IsFieldValue(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool IsPlausibleUrl(std::string_view url) {
  return !url.empty() && url.size() <= kMaxUrlBytes &&
         std::all_of(url.begin(), url.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string_view FindHeader(const std::vector<HeaderField>& headers, std::string_view name) {
  for (const HeaderField& field : headers) {
    if (EqualsIgnoreCase(field.name, name)) return field.value;
  }
  return {};
}

Error FromCurl(CURLcode code) {
  const auto detail = static_cast<uint64_t>(code);
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_LOGIN_DENIED:  // user:password@ in the URL
      return Error{ErrorCode::kInvalid, "not a usable URL", detail};
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
      return Error{ErrorCode::kInvalid, "a certificate file cannot be used", detail};
    case CURLE_WEIRD_SERVER_REPLY:
      return Error{ErrorCode::kCorrupt, "the answer is not HTTP", detail};
    case CURLE_GOT_NOTHING:
      return Error{ErrorCode::kUnavailable, "the server closed the connection without an answer", detail};
    case CURLE_SSL_CONNECT_ERROR:
      return Error{ErrorCode::kUnavailable, "the TLS handshake failed", detail};
    case CURLE_ABORTED_BY_CALLBACK:
      return Error{ErrorCode::kCanceled, "the transfer was stopped", detail};
    case CURLE_OPERATION_TIMEDOUT:
      return Error{ErrorCode::kUnavailable, "the transfer took too long", detail};
    case CURLE_PEER_FAILED_VERIFICATION:
      return Error{ErrorCode::kUnavailable, "the server's certificate does not verify", detail};
    case CURLE_COULDNT_CONNECT:
      return Error{ErrorCode::kUnavailable, "cannot reach the server", detail};
    case CURLE_COULDNT_RESOLVE_HOST:
      return Error{ErrorCode::kUnavailable, "the host's name is not known", detail};
    default:
      return Error{ErrorCode::kUnavailable, "the transfer broke", detail};
  }
}

// "bytes 5-9/10", "bytes 5-9/*", "bytes */10".
struct ContentRange {
  bool satisfied = false;
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t total = 0;  // 0: not known
};

Result<ContentRange> ParseContentRange(std::string_view text) {
  const Error bad{ErrorCode::kCorrupt, "the answer's Content-Range makes no sense"};
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return bad;
  text.remove_prefix(kUnit.size());
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return bad;
  const std::string_view span = text.substr(0, slash);
  const std::string_view size = text.substr(slash + 1);
  ContentRange range;
  if (size != "*") range.total = TILL_TRY(ParseUint(size));
  if (span == "*") return range;
  const size_t dash = span.find('-');
  if (dash == std::string_view::npos) return bad;
  range.satisfied = true;
  range.first = TILL_TRY(ParseUint(span.substr(0, dash)));
  range.last = TILL_TRY(ParseUint(span.substr(dash + 1)));
  // No object ends behind the last number there is: `last + 1` is counted with.
  if (range.last < range.first || range.last == UINT64_MAX) return bad;
  if (size != "*" && range.last >= range.total) return bad;
  return range;
}

// What one transfer has gathered; the callbacks' user pointer.
struct Transfer {
  virtual ~Transfer() = default;
  // The headers of the final answer are in.
  virtual Status OnHead() = 0;
  virtual Status OnBody(ByteView bytes) = 0;

  const std::atomic<bool>* cancel = nullptr;
  int status = 0;
  std::vector<HeaderField> headers;
  size_t header_bytes = 0;
  bool head_done = false;
  Status verdict;       // the first Error of ours; it goes before curl's
  bool enough = false;  // the rest of the body is not wanted, and that is no error
  uint64_t max_bytes_per_s = 0;
  int64_t paid_until_us = 0;  // what was received so far is within the cap from then on
  FileSource* upload = nullptr;
  uint64_t upload_offset = 0;

  bool Take(Status status_now) {
    if (verdict.ok()) verdict = status_now;
    return verdict.ok() && !enough;
  }
};

void TakeHeaderLine(Transfer& transfer, std::string_view line) {
  if (line.starts_with("HTTP/")) {  // also the answer after a 100 Continue begins anew
    transfer.headers.clear();
    transfer.status = 0;
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return;
    const Result<uint64_t> status = ParseUint(line.substr(space + 1, 3));
    if (status.ok()) transfer.status = static_cast<int>(*status);
    return;
  }
  if (transfer.head_done) return;  // trailers
  if (Trim(line).empty()) {
    if (transfer.status < 200) return;
    transfer.head_done = true;
    transfer.Take(transfer.OnHead());
    return;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  transfer.headers.push_back({std::string(line.substr(0, colon)), std::string(Trim(line.substr(colon + 1)))});
}

size_t OnCurlHeader(char* data, size_t size, size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  transfer.header_bytes += bytes;
  if (transfer.header_bytes > kMaxHeaderBytes) {
    transfer.Take(Error{ErrorCode::kLimit, "the answer's headers are too large", kMaxHeaderBytes});
  } else {
    TakeHeaderLine(transfer, std::string_view(data, bytes));
  }
  return transfer.verdict.ok() ? bytes : 0;
}

// curl's own cap lets 200 KB through in 9 ms where 100 KB/s were asked for (7.88, measured), so we keep the pace here:
// while we sleep, TCP's window holds the sender back.
void KeepPace(Transfer& transfer, size_t bytes) {
  if (transfer.max_bytes_per_s == 0) return;
  const int64_t now_us = SystemClock().MonotonicMs() * 1000;
  transfer.paid_until_us =
      std::max(transfer.paid_until_us, now_us) + static_cast<int64_t>(bytes * 1'000'000 / transfer.max_bytes_per_s);
  while (!(transfer.cancel != nullptr && transfer.cancel->load())) {
    const int64_t left_ms = transfer.paid_until_us / 1000 - SystemClock().MonotonicMs();
    if (left_ms <= 0) return;
    SystemClock().SleepMs(std::min<int64_t>(left_ms, 200));
  }
}

int OnCurlSocket(void* user, curl_socket_t fd, curlsocktype) {
  const uint64_t rate = static_cast<const Transfer*>(user)->max_bytes_per_s;
  const int buffer_bytes = static_cast<int>(std::clamp<uint64_t>(rate / 4, 4 << 10, 64 << 10));
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));  // a hint: nothing breaks without it
  return CURL_SOCKOPT_OK;
}

size_t OnCurlBody(char* data, size_t size, size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const size_t bytes = size * count;
  KeepPace(transfer, bytes);
  if (transfer.cancel != nullptr && transfer.cancel->load()) {
    transfer.Take(Error{ErrorCode::kCanceled, "the transfer was stopped"});
    return 0;
  }
  if (!transfer.verdict.ok()) return 0;
  return transfer.Take(transfer.OnBody(AsBytes(std::string_view(data, bytes)))) ? bytes : 0;
}

size_t OnCurlUpload(char* data, size_t size, size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const MutableByteView out(reinterpret_cast<std::byte*>(data), size * count);
  const Result<size_t> got = transfer.upload->ReadAt(transfer.upload_offset, out);
  if (!got.ok()) {
    transfer.Take(got.error());
    return CURL_READFUNC_ABORT;
  }
  transfer.upload_offset += *got;
  return *got;
}

int OnCurlSeek(void* user, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Transfer*>(user)->upload_offset = static_cast<uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

int OnCurlProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const Transfer& transfer = *static_cast<const Transfer*>(user);
  return transfer.cancel != nullptr && transfer.cancel->load() ? 1 : 0;
}

struct SendTransfer : Transfer {
  explicit SendTransfer(uint64_t cap) : max_bytes(cap) {}
  Status OnHead() override { return Ok(); }
  Status OnBody(ByteView bytes) override {
    if (bytes.size() > max_bytes - body.size()) return Error{ErrorCode::kLimit, "the answer is too large", max_bytes};
    body.append(AsText(bytes));
    return Ok();
  }
  uint64_t max_bytes;
  std::string body;
};

struct DownloadTransfer : Transfer {
  DownloadTransfer(const DownloadCall& the_call, const std::function<Status(ByteView)>& sink)
      : call(the_call), on_bytes(sink) {}

  Status OnHead() override {
    reply.status = status;
    reply.etag = std::string(FindHeader(headers, "ETag"));
    delivers = status == 200 || status == 206;
    if (status == 416) {
      const Result<ContentRange> range = ParseContentRange(FindHeader(headers, "Content-Range"));
      if (range.ok()) reply.total_size = range->total;
    }
    if (!delivers) return Ok();
    if (!FindHeader(headers, "Content-Encoding").empty()) {
      return Error{ErrorCode::kCorrupt, "the answer is compressed though that was not asked for"};
    }
    TILL_TRY(status == 206 ? TakePartialHead() : TakeWholeHead());
    if (call.expected_size != 0 && reply.total_size > call.expected_size) {
      return Error{ErrorCode::kLimit, "the object is larger than expected", call.expected_size};
    }
    if (call.expected_size != 0 && reply.total_size != 0 && reply.total_size != call.expected_size) {
      return Error{ErrorCode::kCorrupt, "the object is smaller than expected", reply.total_size};
    }
    return Ok();
  }

  bool AsksForRange() const { return call.from > 0 || call.length > 0; }

  Status TakePartialHead() {
    if (!AsksForRange()) return Error{ErrorCode::kCorrupt, "a part was answered though the whole was asked for"};
    const ContentRange range = TILL_TRY(ParseContentRange(FindHeader(headers, "Content-Range")));
    // Fewer bytes than asked for are fine only where the object ends.
    const uint64_t end = call.length == 0 ? range.total : call.from + call.length;
    const bool ends_well = end == 0 || range.last + 1 == end || (range.last + 1 < end && range.last + 1 == range.total);
    if (!range.satisfied || range.first != call.from || !ends_well) {
      return Error{ErrorCode::kCorrupt, "the answer holds another range than was asked for", range.first};
    }
    if (!call.if_range.empty() && !reply.etag.empty() && reply.etag != call.if_range) {
      return Error{ErrorCode::kConflict, "the object changed"};
    }
    reply.first_byte = call.from;
    reply.total_size = range.total;
    answer_end = range.last + 1;
    return Ok();
  }

  Status TakeWholeHead() {
    if (AsksForRange() && !call.if_range.empty() && reply.etag != call.if_range) {
      return Error{ErrorCode::kConflict, "the object changed"};
    }
    const Result<uint64_t> length = ParseUint(FindHeader(headers, "Content-Length"));
    if (length.ok()) reply.total_size = *length;
    return Ok();
  }

  // What of the piece is not delivered is told, whatever became of the rest.
  Status OnBody(ByteView bytes) override {
    seen += bytes.size();
    delivered_of_piece = 0;
    const Status taken = TakeBody(bytes);
    const uint64_t waste = bytes.size() - delivered_of_piece;
    if (waste > 0 && call.on_waste) {
      const Status told = call.on_waste(waste);
      if (taken.ok()) return told;
    }
    return taken;
  }

  Status TakeBody(ByteView bytes) {
    if (!delivers) {
      enough = seen > kMaxErrorBodyBytes;
      return Ok();
    }
    const uint64_t end = reply.first_byte + seen;
    if (call.expected_size != 0 && end > call.expected_size) {
      return Error{ErrorCode::kLimit, "the object is larger than expected", call.expected_size};
    }
    if (answer_end != 0 && end > answer_end)
      return Error{ErrorCode::kCorrupt, "more bytes than the answer's range", end};
    const uint64_t begin = end - bytes.size();
    if (end <= call.from) return Ok();
    if (begin < call.from) bytes = bytes.subspan(call.from - begin);
    if (call.length != 0) {
      const uint64_t left = call.length - reply.received;
      if (bytes.size() > left) bytes = bytes.first(left);
      // The rest of a 200 is not wanted: cut. After a 206 there is no rest, and the connection is kept.
      enough = status == 200 && bytes.size() == left && end != reply.total_size;
      if (bytes.empty()) return Ok();
    }
    delivered_of_piece = bytes.size();
    TILL_TRY(on_bytes(bytes));
    reply.received += bytes.size();
    return Ok();
  }

  const DownloadCall& call;
  const std::function<Status(ByteView)>& on_bytes;
  DownloadReply reply;
  bool delivers = false;
  uint64_t seen = 0;        // body bytes of the answer, delivered or skipped
  uint64_t answer_end = 0;  // of a 206's range; 0: not known
  size_t delivered_of_piece = 0;
};

}  // namespace

bool IsCertificateRefusal(const Error& error) {
  return error.code == ErrorCode::kUnavailable && error.detail == CURLE_PEER_FAILED_VERIFICATION;
}

bool SpeaksNoHttp(const Error& error) {
  return error.code == ErrorCode::kCorrupt && error.detail == CURLE_WEIRD_SERVER_REPLY;
}

bool GaveNoAnswer(const Error& error) {
  return error.code == ErrorCode::kUnavailable && error.detail == CURLE_GOT_NOTHING;
}

std::string_view Reply::header(std::string_view name) const { return FindHeader(headers, name); }

struct Client::Impl {
  explicit Impl(ClientOptions the_options) : options(std::move(the_options)) {
    // Once per process, before any handle; the standard makes this safe across threads.
    static const CURLcode kInitialised = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (kInitialised == CURLE_OK) easy.reset(curl_easy_init());
  }

  Status Prepare(const std::string& url, const std::vector<HeaderField>& headers, Transfer& transfer);
  void PrepareTls();
  Status PrepareBody(const Call& call, Transfer& transfer);
  Status AddHeader(std::string_view name, std::string_view value);
  Status Perform(Transfer& transfer);
  template <typename Value>
  void Set(CURLoption option, Value value) {
    // Without its URL curl would call it bad, without its CA file it would believe the system's.
    no_memory = curl_easy_setopt(easy.get(), option, value) == CURLE_OUT_OF_MEMORY || no_memory;
  }

  bool no_memory = false;       // for an option of this transfer
  int64_t earliest_unix_s = 0;  // what the certificates of this transfer are judged by; outlives the handle
  ClientOptions options;
  std::unique_ptr<CURL, CurlEnd> easy;
  CurlList list;
  std::unique_ptr<FileSource> upload;
};

Status Client::Impl::AddHeader(std::string_view name, std::string_view value) {
  if (!IsToken(name) || !IsFieldValue(value)) return Error{ErrorCode::kInvalid, "not a usable header"};
  std::string line(name);
  // curl's own way to say "this header, but with no value".
  line += value.empty() ? std::string(";") : ": " + std::string(value);
  curl_slist* longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) return Error{ErrorCode::kLimit, "no memory for a header"};
  (void)list.release();
  list.reset(longer);
  return Ok();
}

Status Client::Impl::Prepare(const std::string& url, const std::vector<HeaderField>& headers, Transfer& transfer) {
  if (!easy) return Error{ErrorCode::kUnavailable, "libcurl cannot start", CURLE_FAILED_INIT};
  if (!IsPlausibleUrl(url)) return Error{ErrorCode::kInvalid, "not a usable URL", CURLE_URL_MALFORMAT};
  curl_easy_reset(easy.get());  // keeps connections and TLS sessions
  no_memory = false;
  list.reset();
  upload.reset();
  for (const HeaderField& field : headers) TILL_TRY(AddHeader(field.name, field.value));
  transfer.cancel = options.cancel;

  Set(CURLOPT_URL, url.c_str());
  Set(CURLOPT_PROTOCOLS_STR, "http,https");
  Set(CURLOPT_FOLLOWLOCATION, 0L);
  Set(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  Set(CURLOPT_NOSIGNAL, 1L);
  Set(CURLOPT_PROXY, options.proxy.c_str());
  Set(CURLOPT_USERAGENT, options.user_agent.c_str());
  Set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout_ms));
  Set(CURLOPT_TCP_KEEPALIVE, 1L);
  Set(CURLOPT_LOW_SPEED_LIMIT, static_cast<long>(options.min_rate_bytes_per_s));
  Set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.min_rate_window_s));
  if (options.max_receive_bytes_per_s != 0) {
    transfer.max_bytes_per_s = options.max_receive_bytes_per_s;
    // Small buffers, ours and the kernel's: an eighth of a second's worth at a time leaves the line usable for others.
    Set(CURLOPT_BUFFERSIZE, static_cast<long>(std::clamp<uint64_t>(options.max_receive_bytes_per_s / 8, 1024, 16384)));
    Set(CURLOPT_SOCKOPTFUNCTION, &OnCurlSocket);
    Set(CURLOPT_SOCKOPTDATA, static_cast<void*>(&transfer));
  }
  Set(CURLOPT_HEADERFUNCTION, &OnCurlHeader);
  Set(CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
  Set(CURLOPT_WRITEFUNCTION, &OnCurlBody);
  Set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
  Set(CURLOPT_XFERINFOFUNCTION, &OnCurlProgress);
  Set(CURLOPT_XFERINFODATA, static_cast<void*>(&transfer));
  Set(CURLOPT_NOPROGRESS, options.cancel == nullptr ? 1L : 0L);
  PrepareTls();
  return Ok();
}

CURLcode OnCurlTls(CURL*, void* ssl_context, void* user) {
  JudgeCertificatesBy(ssl_context, static_cast<int64_t*>(user));
  return CURLE_OK;
}

void Client::Impl::PrepareTls() {
  earliest_unix_s = options.ca_file.empty() || !options.earliest_unix_s ? 0 : options.earliest_unix_s();
  const char* backend = curl_version_info(CURLVERSION_NOW)->ssl_version;
  if (earliest_unix_s > 0 && backend != nullptr && std::string_view(backend).starts_with("OpenSSL")) {
    Set(CURLOPT_SSL_CTX_FUNCTION, &OnCurlTls);
    Set(CURLOPT_SSL_CTX_DATA, static_cast<void*>(&earliest_unix_s));
  }
  Set(CURLOPT_SSL_VERIFYPEER, 1L);
  Set(CURLOPT_SSL_VERIFYHOST, 2L);
  Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) {
    Set(CURLOPT_CAINFO, options.ca_file.c_str());
    Set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // that file alone, not the system's folder beside it
  }
  const auto blob = [](const std::string& text) {
    return curl_blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
  };
  if (!options.client_cert_pem.empty() && !options.client_key_pem.empty()) {
    const curl_blob cert = blob(options.client_cert_pem);
    const curl_blob key = blob(options.client_key_pem);
    Set(CURLOPT_SSLCERT_BLOB, &cert);
    Set(CURLOPT_SSLKEY_BLOB, &key);
    return;
  }
  if (!options.client_cert_file.empty()) Set(CURLOPT_SSLCERT, options.client_cert_file.c_str());
  if (!options.client_key_file.empty()) Set(CURLOPT_SSLKEY, options.client_key_file.c_str());
}

Status Client::Impl::PrepareBody(const Call& call, Transfer& transfer) {
  if (!IsToken(call.method)) return Error{ErrorCode::kInvalid, "not a usable method"};
  if (!call.body_file.empty()) {
    upload = std::make_unique<FileSource>(TILL_TRY(FileSource::Open(call.body_file)));
    transfer.upload = upload.get();
    Set(CURLOPT_UPLOAD, 1L);
    Set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(upload->size()));
    Set(CURLOPT_READFUNCTION, &OnCurlUpload);
    Set(CURLOPT_READDATA, static_cast<void*>(&transfer));
    Set(CURLOPT_SEEKFUNCTION, &OnCurlSeek);
    Set(CURLOPT_SEEKDATA, static_cast<void*>(&transfer));
    Set(CURLOPT_CUSTOMREQUEST, call.method.c_str());
    return Ok();
  }
  Set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.total_timeout_ms));
  if (call.method == "HEAD") {
    Set(CURLOPT_NOBODY, 1L);
    return Ok();
  }
  if (!call.body.empty() || call.method == "POST" || call.method == "PUT" || call.method == "PATCH") {
    Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
    Set(CURLOPT_POSTFIELDS, call.body.data());
    // curl would otherwise say that this is a form; and a body in memory need not wait for a 100.
    for (const char* silenced : {"Content-Type", "Expect"}) {
      if (!FindHeader(call.headers, silenced).empty()) continue;
      curl_slist* longer = curl_slist_append(list.get(), (std::string(silenced) + ":").c_str());
      if (longer == nullptr) return Error{ErrorCode::kLimit, "no memory for a header"};
      (void)list.release();
      list.reset(longer);
    }
  }
  Set(CURLOPT_CUSTOMREQUEST, call.method.c_str());
  return Ok();
}

Status Client::Impl::Perform(Transfer& transfer) {
  Set(CURLOPT_HTTPHEADER, list.get());
  if (no_memory) return FromCurl(CURLE_OUT_OF_MEMORY);
  const CURLcode code = curl_easy_perform(easy.get());
  if (!transfer.verdict.ok()) return transfer.verdict.error();
  // To curl a connection that ends among the headers is an answer with an empty body.
  if (code == CURLE_OK && !transfer.head_done) {
    return Error{ErrorCode::kUnavailable, "the connection ended within the answer's head", CURLE_PARTIAL_FILE};
  }
  if (code == CURLE_OK || transfer.enough) return Ok();
  // What curl calls an unsupported protocol is, once somebody was reached, an answer that begins like no HTTP.
  long connections = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_NUM_CONNECTS, &connections);
  if (code == CURLE_UNSUPPORTED_PROTOCOL && connections > 0) return FromCurl(CURLE_WEIRD_SERVER_REPLY);
  if (code == CURLE_RECV_ERROR && transfer.status == 0) return FromCurl(CURLE_GOT_NOTHING);
  return FromCurl(code);
}

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;

Result<Reply> Client::Send(const Call& call) {
  SendTransfer transfer(call.max_reply_bytes);
  TILL_TRY(impl_->Prepare(call.url, call.headers, transfer));
  TILL_TRY(impl_->PrepareBody(call, transfer));
  TILL_TRY(impl_->Perform(transfer));
  return Reply{transfer.status, std::move(transfer.headers), std::move(transfer.body)};
}

Result<DownloadReply> Client::Download(const DownloadCall& call, const std::function<Status(ByteView)>& on_bytes,
                                       DownloadReply* progress) {
  DownloadTransfer transfer(call, on_bytes);
  if (progress != nullptr) *progress = {};
  if (call.length > UINT64_MAX - call.from) return Error{ErrorCode::kInvalid, "not a usable range", call.from};
  TILL_TRY(impl_->Prepare(call.url, call.headers, transfer));
  if (transfer.AsksForRange()) {
    const std::string last = call.length == 0 ? "" : std::to_string(call.from + call.length - 1);
    TILL_TRY(impl_->AddHeader("Range", "bytes=" + std::to_string(call.from) + "-" + last));
    if (!call.if_range.empty()) TILL_TRY(impl_->AddHeader("If-Range", call.if_range));
  }
  const Status done = impl_->Perform(transfer);
  curl_off_t retry_after = 0;
  curl_easy_getinfo(impl_->easy.get(), CURLINFO_RETRY_AFTER, &retry_after);
  const bool asked_to_wait = transfer.status == 429 || transfer.status == 503;
  if (asked_to_wait && retry_after > 0) transfer.reply.retry_after_s = retry_after;
  if (progress != nullptr) *progress = transfer.reply;
  TILL_TRY(done);
  return std::move(transfer.reply);
}

}  // namespace till::http
