#include "device/provision.h"

#include <sys/stat.h>

#include "core/crypto/identity.h"
#include "core/file.h"
#include "core/text.h"
#include "core/tuf/trusted_set.h"
#include "device/faults.h"
#include "device/root_chain.h"

namespace till::device {
namespace {

constexpr unsigned kSecretMode = 0600;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

// Secrets that others can read are none.
Status KeepSecret(const std::string& path) {
  struct stat about;
  if (stat(path.c_str(), &about) != 0) return SystemError("cannot look at a secret");
  if ((about.st_mode & 077) != 0 && chmod(path.c_str(), kSecretMode) != 0) return SystemError("cannot hide a secret");
  return Ok();
}

Status WriteSecret(const std::string& path, const std::string& text) {
  TILL_TRY(MakeFolders(FolderOf(path)));
  return WriteFileAtomically(path, AsBytes(text), kSecretMode);
}

Result<ProvisionStep> MakeIdentity(const Config& config) {
  const std::string key_file = config.key_file.empty() ? config.data_dir + "/identity.key" : config.key_file;
  const std::string request_file = config.data_dir + "/identity.csr";
  ProvisionStep step{"identity", !FileExists(key_file), key_file};
  if (step.changed) TILL_TRY(WriteSecret(key_file, crypto::MakeP256KeyPem()));
  TILL_TRY(KeepSecret(key_file));
  const std::string key = TILL_TRY(ReadTextFile(key_file, 16 << 10));
  const std::string uri = "urn:tillrace:" + config.tenant + ":" + config.controller_id;
  const std::string request = TILL_TRY(crypto::MakeCertificateRequest(key, config.controller_id, uri));
  if (step.changed || !FileExists(request_file)) TILL_TRY(WriteFileAtomically(request_file, AsBytes(request)));
  step.text += ", request for its certificate in " + request_file;
  return step;
}

Result<ProvisionStep> PlaceToken(const Config& config, const std::string& source) {
  ProvisionStep step{"token", false, "none"};
  if (source.empty() && config.token_file.empty()) return step;
  if (config.token_file.empty()) return Error{ErrorCode::kInvalid, "token_file is not set"};
  step.text = config.token_file;
  if (!source.empty() && source != config.token_file) {
    const std::string token(Trim(TILL_TRY(ReadTextFile(source, 4096))));
    if (token.empty()) return Error{ErrorCode::kInvalid, "the token is empty"};
    const auto placed = ReadTextFile(config.token_file, 4096);
    step.changed = !placed.ok() || Trim(*placed) != token;
    if (step.changed) TILL_TRY(WriteSecret(config.token_file, token + "\n"));
  }
  TILL_TRY(KeepSecret(config.token_file));
  return step;
}

Result<ProvisionStep> PlaceRoot(const Config& config, const std::string& source, Clock& clock) {
  ProvisionStep step{"root", false, config.trusted_root};
  if (!source.empty() && source != config.trusted_root) {
    const std::string root = TILL_TRY(ReadTextFile(source, 64 << 10));
    // Before it is placed it is read by who will have to trust it; Open() alone reads one kept from before instead.
    TILL_TRY(tuf::TrustedSet::FromRoot(root, tuf::SizeCaps{}));
    TILL_TRY(Trust::Open(TrustFolder(config), root, clock));
    const auto placed = ReadTextFile(config.trusted_root, 64 << 10);
    step.changed = !placed.ok() || *placed != root;
    if (!step.changed) return step;
    TILL_TRY(MakeFolders(FolderOf(config.trusted_root)));
    TILL_TRY(WriteFileAtomically(config.trusted_root, AsBytes(root)));
    return step;
  }
  const std::string root = TILL_TRY(ReadTextFile(config.trusted_root, 64 << 10));
  TILL_TRY(Trust::Open(TrustFolder(config), root, clock));
  return step;
}

// The root kept here outweighs the one that is placed: of another repository it would make that one worth nothing.
std::optional<Refusal> CheckRoots(const Config& config, const ProvisionInput& input,
                                  std::vector<ProvisionStep>& steps) {
  const std::string& file = input.root_file.empty() ? config.trusted_root : input.root_file;
  const auto given = ReadTextFile(file, 64 << 10);
  const auto kept = ReadKeptRoot(config);
  if (!given.ok() || !kept.ok()) return std::nullopt;
  const auto same = IsSameRepository(*kept, *given);
  if (!same.ok() || *same) return std::nullopt;  // what is no root is told where it is placed
  if (!input.replace_root) return Refuse(kOtherRoot, file + " and " + TrustFolder(config) + "/root.json");
  const Status forgotten = ForgetTrust(config);
  if (!forgotten.ok()) return Refuse(kProvision, forgotten.error());
  steps.push_back({"trust", true, TrustFolder(config) + ", of another repository, is forgotten"});
  return std::nullopt;
}

std::string Named(const std::string& given, const std::string& configured, const Error& error) {
  return (given.empty() ? configured : given) + ": " + log::Describe(error);
}

}  // namespace

std::optional<Refusal> Provision(const Config& config, const ProvisionInput& input, Parts parts,
                                 std::vector<ProvisionStep>& steps) {
  if (config.controller_id.empty() || config.trusted_root.empty()) {
    return Refuse(kConfigIncomplete, config.controller_id.empty() ? "controller_id" : "trusted_root");
  }
  if (auto refusal = CheckRoots(config, input, steps)) return refusal;
  auto identity = MakeIdentity(config);
  if (!identity.ok()) return Refuse(kProvision, identity.error());
  steps.push_back(std::move(*identity));
  auto token = PlaceToken(config, input.token_file);
  if (!token.ok()) return Refuse(kProvision, Named(input.token_file, config.token_file, token.error()));
  steps.push_back(std::move(*token));
  auto root = PlaceRoot(config, input.root_file, *parts.clock);
  if (!root.ok()) return Refuse(kProvision, Named(input.root_file, config.trusted_root, root.error()));
  steps.push_back(std::move(*root));
  if (input.adopt.version.empty()) return std::nullopt;
  Adopted adopted;
  if (auto refusal = Adopt(config, input.adopt, std::move(parts), adopted)) return refusal;
  steps.push_back({"slots", adopted.changed,
                   std::string("slot ") + SlotName(input.adopt.slot) + " holds " + adopted.image.version + ", " +
                       ToHex(adopted.image.sha256).substr(0, 16)});
  return std::nullopt;
}

}  // namespace till::device
