#include "server/mgmt/plane.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "core/clock.h"
#include "core/crypto/hash.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "server/mgmt/api.h"

namespace till::mgmt {
namespace {

// The front never has more calls open than it has workers; a few more threads keep a stranger on the loopback port,
// who is refused at once, from standing in the way.
constexpr const char* kThreads = "12";

const char* ReasonOf(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    default:
      return status < 400 ? "OK" : status < 500 ? "Refused" : "Failed";
  }
}

std::string HeaderOf(mg_connection* connection, const char* name) {
  const char* value = mg_get_header(connection, name);
  return value == nullptr ? "" : value;
}

// hal+json unless the client asks for plain JSON alone.
const char* ContentTypeFor(std::string_view accept) {
  const bool plain = accept.find("application/json") != std::string_view::npos &&
                     accept.find("application/hal+json") == std::string_view::npos;
  return plain ? "application/json" : "application/hal+json";
}

void Send(mg_connection* connection, const Response& answer, std::string_view accept) {
  std::string text = "HTTP/1.1 " + std::to_string(answer.status) + " " + ReasonOf(answer.status) + "\r\n";
  if (!answer.body.empty()) text += std::string("Content-Type: ") + ContentTypeFor(accept) + "\r\n";
  if (answer.status == 401) text += "WWW-Authenticate: Basic realm=\"tillhub\", charset=\"UTF-8\"\r\n";
  if (answer.status != 204) text += "Content-Length: " + std::to_string(answer.body.size()) + "\r\n";
  text += "Cache-Control: no-store\r\nConnection: close\r\n\r\n" + answer.body;
  mg_write(connection, text.data(), text.size());
}

Result<std::string> ReadBody(mg_connection* connection, int64_t length) {
  std::string body;
  if (length <= 0) return body;
  if (static_cast<uint64_t>(length) > kMaxManagementBodyBytes) {
    return Error{ErrorCode::kLimit, "the body is too large", kMaxManagementBodyBytes};
  }
  body.resize(static_cast<size_t>(length));
  size_t filled = 0;
  while (filled < body.size()) {
    const int got = mg_read(connection, body.data() + filled, body.size() - filled);
    if (got <= 0) return Error{ErrorCode::kUnavailable, "the body ends early", filled};
    filled += static_cast<size_t>(got);
  }
  return body;
}

// Connects to the plane's port and hangs up.
void Knock(uint16_t port) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  // A refusal is as good as an answer: nobody waits any more.
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return;
}

}  // namespace

struct Plane::Impl {
  explicit Impl(server::Hub& the_hub) : hub(the_hub), secret(ToHex(crypto::RandomBytes(32))) {}

  Response Answer(mg_connection* connection, const mg_request_info& info);
  int Serve(mg_connection* connection);

  server::Hub& hub;
  const std::string secret;
  mg_context* context = nullptr;
  uint16_t port = 0;
};

Response Plane::Impl::Answer(mg_connection* connection, const mg_request_info& info) {
  const std::string authorization = HeaderOf(connection, "Authorization");
  const auto who = hub.operators.Known(authorization);  // the front has verified it
  if (!who) return Refuse(401, "unauthorized", "sign in with Basic or Bearer");
  auto body = ReadBody(connection, info.content_length);
  if (!body.ok()) return Refuse(413, "rest.body.tooLarge", body.error().what);
  http::Request request;
  request.method = info.request_method;
  request.raw_target = HeaderOf(connection, kTargetHeader);
  const size_t question = request.raw_target.find('?');
  if (question != std::string::npos) request.query = request.raw_target.substr(question + 1);
  request.headers = {{"Content-Type", HeaderOf(connection, "Content-Type")}};
  request.body = std::move(*body);
  request.peer = HeaderOf(connection, kClientHeader);
  std::vector<std::string> segments = http::PathSegments(request.raw_target.substr(0, question));
  if (segments.size() < 2 || segments[0] != "rest" || segments[1] != "v1") {
    return Refuse(404, "rest.notFound", "no such resource");
  }
  segments.erase(segments.begin(), segments.begin() + 2);
  Call call{hub, request, *who, HeaderOf(connection, kOriginHeader), hub.clock.UnixMs(), {}, {}};
  return Dispatch(call, segments);
}

int Plane::Impl::Serve(mg_connection* connection) {
  const mg_request_info& info = *mg_get_request_info(connection);
  const std::string proof = HeaderOf(connection, kFrontHeader);
  if (!crypto::EqualSecret(AsBytes(proof), AsBytes(secret))) {
    Send(connection, Refuse(403, "front", "this port is tillhub's own: use its public address"), "");
    return 403;
  }
  const Response answer = Answer(connection, info);
  Send(connection, answer, HeaderOf(connection, "Accept"));
  return answer.status;
}

Result<std::unique_ptr<Plane>> Plane::Start(server::Hub& hub) {
  // Asked for one feature that every build has, so that its answer tells success from failure.
  if ((mg_init_library(MG_FEATURES_FILES) & MG_FEATURES_FILES) == 0) {
    return Error{ErrorCode::kUnsupported, "CivetWeb cannot be initialised", 0};
  }
  auto impl = std::make_unique<Impl>(hub);
  mg_callbacks callbacks{};
  callbacks.begin_request = [](mg_connection* connection) -> int {
    return static_cast<Impl*>(mg_get_request_info(connection)->user_data)->Serve(connection);
  };
  callbacks.log_message = [](const mg_connection*, const char* message) -> int {
    log::Debug("civetweb", {{"message", message}});
    return 1;
  };
  const char* options[] = {"listening_ports",
                           "127.0.0.1:0",
                           "num_threads",
                           kThreads,
                           "request_timeout_ms",
                           "30000",
                           "enable_keep_alive",
                           "no",
                           "enable_directory_listing",
                           "no",
                           nullptr};
  impl->context = mg_start(&callbacks, impl.get(), options);
  if (impl->context == nullptr) {
    mg_exit_library();
    return Error{ErrorCode::kIo, "CivetWeb does not start", 0};
  }
  mg_server_port ports[1]{};
  if (mg_get_server_ports(impl->context, 1, ports) != 1 || ports[0].port <= 0) {
    mg_stop(impl->context);
    mg_exit_library();
    return Error{ErrorCode::kIo, "CivetWeb listens nowhere", 0};
  }
  impl->port = static_cast<uint16_t>(ports[0].port);
  return std::unique_ptr<Plane>(new Plane(std::move(impl)));
}

Plane::Plane(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Plane::~Plane() {
  // CivetWeb looks for its stop flag only when its poll of 2 s ends (1.15, measured): knocking ends it at once.
  std::atomic<bool> stopped = false;
  std::thread knocker([&] {
    while (!stopped) {
      Knock(impl_->port);
      SystemClock().SleepMs(10);
    }
  });
  mg_stop(impl_->context);
  stopped = true;
  knocker.join();
  mg_exit_library();
}

uint16_t Plane::port() const { return impl_->port; }
const std::string& Plane::secret() const { return impl_->secret; }

}  // namespace till::mgmt
