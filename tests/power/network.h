// The network's place in the power-cut proof: a server that offers what the site's script says and keeps what it
// hears, a source of payload bytes that counts them, and a judge that knows the signed plans. Their memory is World's.
#pragma once

#include "device/payload_fetcher.h"
#include "device/trust.h"
#include "device/update_server.h"
#include "tests/power/world.h"

namespace till::power {

class ScriptedServer final : public device::UpdateServer {
 public:
  ScriptedServer(const Site& site, World& world, Trace* trace) : site_(site), world_(world), trace_(trace) {}
  Result<std::optional<device::BaseAnswer>> Poll(bool fresh) override;
  Result<device::Deployment> GetDeployment(const std::string& url) override;
  Result<std::string> GetCancel(const std::string& url) override;
  Status PutConfigData(const std::string&, const std::vector<std::pair<std::string, std::string>>&) override {
    return Ok();
  }
  Status PostFeedback(const device::Feedback& feedback, int64_t unix_ms) override;
  Result<std::string> GetMetadata(const std::string&, uint64_t) override;
  std::vector<http::HeaderField> HeadersFor(const std::string&) const override { return {}; }

 private:
  const Site& site_;
  World& world_;
  Trace* trace_;
};

class MemoryFetcher final : public device::PayloadFetcher {
 public:
  MemoryFetcher(const Site& site, World& world, Trace* trace) : site_(site), world_(world), trace_(trace) {}
  Result<int> Fetch(const device::PayloadSource& source, const device::FetchRange& range,
                    const std::function<Status(ByteView)>& on_bytes) override;

 private:
  const Site& site_;
  World& world_;
  Trace* trace_;
};

class ScriptedJudge final : public device::OfferJudge {
 public:
  explicit ScriptedJudge(const Site& site) : site_(site) {}
  Status Refresh(const tuf::Fetch&) override { return Ok(); }
  bool ClockIsWrong() const override { return false; }
  std::optional<device::Refusal> Check(const device::Deployment& deployment, const device::TerminalFacts& facts,
                                       device::AcceptedOffer& out) const override;

 private:
  const Site& site_;
};

}  // namespace till::power
