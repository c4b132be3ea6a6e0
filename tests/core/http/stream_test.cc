#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>

#include "tests/core/http/handler_for_tests.h"
#include "tests/core/http/raw_socket.h"

namespace till::http {
namespace {

// What OnDone() said, for another thread to wait on.
class Outcome {
 public:
  void Set(uint64_t sent, bool complete) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++count_;
    sent_ = sent;
    complete_ = complete;
    news_.notify_all();
  }
  bool Wait(int count = 1) {
    std::unique_lock<std::mutex> lock(mutex_);
    return news_.wait_for(lock, std::chrono::seconds(10), [&] { return count_ >= count; });
  }
  int count() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return count_;
  }
  uint64_t sent() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return sent_;
  }
  bool complete() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return complete_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  int count_ = 0;
  uint64_t sent_ = 0;
  bool complete_ = false;
};

// Pieces that another thread pushes; waits when there are none.
class Pipe {
 public:
  void Push(Piece piece) {
    const std::lock_guard<std::mutex> lock(mutex_);
    pieces_.push_back(std::move(piece));
  }
  Piece Pop() {
    const std::lock_guard<std::mutex> lock(mutex_);
    Piece piece;
    piece.kind = Piece::Kind::kWait;
    if (pieces_.empty()) return piece;
    piece = std::move(pieces_.front());
    pieces_.pop_front();
    return piece;
  }

 private:
  std::mutex mutex_;
  std::deque<Piece> pieces_;
};

class PipeStream : public BodyStream {
 public:
  PipeStream(Pipe& pipe, Outcome& outcome) : pipe_(pipe), outcome_(outcome) {}
  Piece Next() override { return pipe_.Pop(); }
  void OnDone(uint64_t sent, bool complete) override { outcome_.Set(sent, complete); }

 private:
  Pipe& pipe_;
  Outcome& outcome_;
};

Piece BytesPiece(std::string bytes) {
  Piece piece;
  piece.kind = Piece::Kind::kBytes;
  piece.bytes = std::move(bytes);
  return piece;
}
Piece PieceOf(Piece::Kind kind) {
  Piece piece;
  piece.kind = kind;
  return piece;
}

class StreamTest : public ServerTest {
 protected:
  // Serves `pipe` to every request, and keeps the exchange for the test.
  void Serve(std::optional<uint64_t> length) {
    handler.on_request = [this, length](std::shared_ptr<Exchange> exchange) {
      Response response;
      response.stream = std::make_unique<PipeStream>(pipe, outcome);
      response.stream_length = length;
      exchange->Respond(std::move(response));
      const std::lock_guard<std::mutex> lock(mutex_);
      exchange_ = std::move(exchange);
      arrived_.notify_one();
    };
    Start();
  }
  std::shared_ptr<Exchange> Arrived() {
    std::unique_lock<std::mutex> lock(mutex_);
    arrived_.wait(lock, [this] { return exchange_ != nullptr; });
    return exchange_;
  }

  Pipe pipe;
  Outcome outcome;

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::shared_ptr<Exchange> exchange_;
};

TEST_F(StreamTest, OfUnknownLengthIsChunked) {
  Serve(std::nullopt);
  pipe.Push(BytesPiece("hello "));
  pipe.Push(BytesPiece(""));  // an empty piece must not end the body
  pipe.Push(BytesPiece("0123456789abcdef"));
  pipe.Push(PieceOf(Piece::Kind::kEnd));
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/", "Connection: close\r\n")));
  const std::string response = client.ReadAll();
  EXPECT_NE(response.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_TRUE(response.ends_with("\r\n\r\n6\r\nhello \r\n10\r\n0123456789abcdef\r\n0\r\n\r\n")) << response;
  ASSERT_TRUE(outcome.Wait());
  EXPECT_EQ(outcome.sent(), 22U);  // body bytes alone, not the framing
  EXPECT_TRUE(outcome.complete());
  EXPECT_EQ(outcome.count(), 1);
}

TEST_F(StreamTest, OfUnknownLengthEndsWithTheConnectionForOldClients) {
  Serve(std::nullopt);
  pipe.Push(BytesPiece("hello"));
  pipe.Push(PieceOf(Piece::Kind::kEnd));
  RawConnection client(port());
  ASSERT_TRUE(client.Send("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"));
  const std::string response = client.ReadAll();
  EXPECT_TRUE(response.ends_with("\r\n\r\nhello")) << response;
}

TEST_F(StreamTest, WaitsAndIsWokenFromAnotherThread) {
  Serve(30);
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  const std::shared_ptr<Exchange> exchange = Arrived();
  EXPECT_EQ(StatusOf(client.ReadHead()), 200);  // the head does not wait for the body
  for (int i = 0; i < 3; ++i) {
    pipe.Push(BytesPiece("0123456789"));
    exchange->Wake();
    exchange->Wake();
    EXPECT_EQ(client.Read(10), "0123456789");
  }
  ASSERT_TRUE(outcome.Wait());
  EXPECT_TRUE(outcome.complete());
  EXPECT_EQ(outcome.sent(), 30U);
  exchange->Wake();                    // after the end: nothing
  ASSERT_TRUE(client.Send(Get("/")));  // and the connection lives on
  EXPECT_EQ(StatusOf(client.ReadHead()), 200);
}

TEST_F(StreamTest, AClientThatGoesWhileItWaitsIsNoticed) {
  Serve(30);
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  const std::shared_ptr<Exchange> exchange = Arrived();
  pipe.Push(BytesPiece("0123456789"));
  exchange->Wake();
  client.ReadHead();
  EXPECT_EQ(client.Read(10), "0123456789");
  client.Close();
  ASSERT_TRUE(outcome.Wait());
  EXPECT_FALSE(outcome.complete());
  EXPECT_EQ(outcome.sent(), 10U);
  EXPECT_TRUE(exchange->gone());
  exchange->Wake();
}

TEST_F(StreamTest, WhatCannotGoOnCutsTheConnectionShort) {
  struct Row {
    std::optional<uint64_t> length;
    Piece::Kind end;
  };
  const std::vector<Row> rows = {
      {30, Piece::Kind::kAbort}, {30, Piece::Kind::kEnd}, {std::nullopt, Piece::Kind::kAbort}};
  for (const Row& row : rows) {
    Pipe local;
    Outcome local_outcome;
    handler.on_request = [&](const std::shared_ptr<Exchange>& exchange) {
      Response response;
      response.stream = std::make_unique<PipeStream>(local, local_outcome);
      response.stream_length = row.length;
      exchange->Respond(std::move(response));
    };
    Start();
    local.Push(BytesPiece("0123456789"));
    local.Push(PieceOf(row.end));
    Client client({});
    DownloadCall call;
    call.url = Url("/");
    const Result<DownloadReply> reply = client.Download(call, [](ByteView) { return Ok(); });
    EXPECT_FALSE(reply.ok());
    ASSERT_TRUE(local_outcome.Wait());
    EXPECT_FALSE(local_outcome.complete());
    EXPECT_EQ(local_outcome.sent(), 10U);
    server.reset();  // before what it writes to
  }
}

TEST_F(StreamTest, NeverSendsMoreThanItAnnounced) {
  Serve(15);
  pipe.Push(BytesPiece("0123456789"));
  pipe.Push(BytesPiece("0123456789"));
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  EXPECT_TRUE(client.ReadAll().ends_with("\r\n\r\n0123456789"));
  ASSERT_TRUE(outcome.Wait());
  EXPECT_FALSE(outcome.complete());
}

TEST_F(StreamTest, AnAnswerForAClientThatHasGoneIsLetGo) {
  std::mutex mutex;
  std::condition_variable arrived;
  std::shared_ptr<Exchange> held;
  handler.on_request = [&](std::shared_ptr<Exchange> exchange) {
    const std::lock_guard<std::mutex> lock(mutex);
    held = std::move(exchange);
    arrived.notify_one();
  };
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  {
    std::unique_lock<std::mutex> lock(mutex);
    arrived.wait(lock, [&] { return held != nullptr; });
  }
  client.Cut();
  while (!held->gone()) std::this_thread::yield();
  Response response;
  response.stream = std::make_unique<PipeStream>(pipe, outcome);
  held->Respond(std::move(response));
  ASSERT_TRUE(outcome.Wait());
  EXPECT_FALSE(outcome.complete());
  EXPECT_EQ(outcome.sent(), 0U);
}

// A file of known content, larger than any socket's buffer.
class FileTest : public ServerTest {
 protected:
  static constexpr uint64_t kSize = 24 << 20;

  void SetUp() override {
    std::string path = ::testing::TempDir() + "/till_http_stream_XXXXXX";
    file_ = std::make_shared<const UniqueFd>(mkstemp(path.data()));
    unlink(path.c_str());
    content_.resize(kSize);
    uint32_t state = 1;
    for (char& c : content_) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    ASSERT_TRUE(WriteAll(file_->get(), AsBytes(content_)).ok());
    handler.on_request = [this](const std::shared_ptr<Exchange>& exchange) {
      RangeBody body;
      body.size = kSize;
      body.etag = "\"e\"";
      body.make_stream = [this](uint64_t first, uint64_t length) { return MakeStream(first, length); };
      exchange->Respond(RangeResponse(exchange->request(), std::move(body)));
    };
  }

  class Observed : public BodyStream {
   public:
    Observed(std::unique_ptr<BodyStream> inner, Outcome& outcome) : inner_(std::move(inner)), outcome_(outcome) {}
    Piece Next() override { return inner_->Next(); }
    void OnDone(uint64_t sent, bool complete) override { outcome_.Set(sent, complete); }

   private:
    std::unique_ptr<BodyStream> inner_;
    Outcome& outcome_;
  };
  std::unique_ptr<BodyStream> MakeStream(uint64_t first, uint64_t length) {
    return std::make_unique<Observed>(FileStream(file_, first, length), outcome);
  }

  std::shared_ptr<const UniqueFd> file_;
  std::string content_;
  Outcome outcome;
};

TEST_F(FileTest, ASlowReaderGetsALargeFileIntact) {
  Start();
  RawConnection client(port(), 4096);
  ASSERT_TRUE(client.Send(Get("/", "Connection: close\r\n")));
  const std::string head = client.ReadHead();
  EXPECT_EQ(StatusOf(head), 200);
  std::string body = client.Read(1000);
  EXPECT_EQ(outcome.count(), 0);  // it is held back, not gathered somewhere
  EXPECT_LT(server->counters().body_bytes_sent, kSize);
  body += client.ReadAll();
  EXPECT_TRUE(body == content_);
  ASSERT_TRUE(outcome.Wait());
  EXPECT_TRUE(outcome.complete());
  EXPECT_EQ(outcome.sent(), kSize);
}

TEST_F(FileTest, AClientThatDisappearsInTheMiddleIsCountedExactly) {
  Start();
  RawConnection client(port(), 4096);
  ASSERT_TRUE(client.Send(Get("/")));
  client.ReadHead();
  EXPECT_EQ(client.Read(100'000).size(), 100'000U);
  client.Cut();
  ASSERT_TRUE(outcome.Wait());
  EXPECT_FALSE(outcome.complete());
  EXPECT_GE(outcome.sent(), 100'000U);
  EXPECT_LT(outcome.sent(), kSize);
  EXPECT_EQ(outcome.sent(), server->counters().body_bytes_sent);
}

TEST_F(FileTest, RangesComeFromTheRightPlaces) {
  Start();
  Client client({});
  const auto fetch = [&](uint64_t from, uint64_t length) {
    std::string got;
    DownloadCall call;
    call.url = Url("/");
    call.from = from;
    call.length = length;
    const Result<DownloadReply> reply = client.Download(call, [&](ByteView bytes) {
      got += AsText(bytes);
      return Ok();
    });
    EXPECT_TRUE(reply.ok());
    return got;
  };
  for (const uint64_t from : {uint64_t{0}, uint64_t{1}, uint64_t{65535}, kSize - 70'000, kSize - 1}) {
    EXPECT_TRUE(fetch(from, 65536) == content_.substr(from, 65536)) << from;
  }
  EXPECT_TRUE(fetch(12345, 0) == content_.substr(12345));
}

TEST_F(FileTest, SeveralRangesAreCountedPartByPart) {
  Start();
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/", "Range: bytes=100-199,1000-2999\r\n")));
  const std::string response = client.ReadResponse();
  EXPECT_EQ(StatusOf(response), 206);
  EXPECT_NE(response.find(content_.substr(100, 100)), std::string::npos);
  EXPECT_NE(response.find(content_.substr(1000, 2000)), std::string::npos);
  ASSERT_TRUE(outcome.Wait(2));
  EXPECT_TRUE(outcome.complete());
  EXPECT_EQ(outcome.sent(), 2000U);
}

TEST_F(FileTest, AFileThatIsShorterThanItWasCutsTheConnection) {
  Start();
  ASSERT_EQ(ftruncate(file_->get(), 1000), 0);
  RawConnection client(port());
  ASSERT_TRUE(client.Send(Get("/")));
  const std::string response = client.ReadAll();
  EXPECT_LE(response.size(), 2000U);
  ASSERT_TRUE(outcome.Wait());
  EXPECT_FALSE(outcome.complete());
  EXPECT_EQ(outcome.sent(), 1000U);
}

}  // namespace
}  // namespace till::http
