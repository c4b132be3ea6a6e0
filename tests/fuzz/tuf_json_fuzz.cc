// Property: no bytes make the metadata parsers read out of bounds or accept numbers out of range, and nothing unsigned
// changes a trusted set.
#include <cstdlib>

#include "core/tuf/metadata.h"
#include "core/tuf/trusted_set.h"

namespace {

using till::tuf::Common;

void Require(bool good) {
  if (!good) abort();
}

void CheckCommon(const Common& common) {
  Require(common.version >= 1 && common.version < (uint64_t{1} << 53));
  Require(common.expires_unix_s >= 0 && common.signed_unix_s <= common.expires_unix_s);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // A root that the fuzzer signed itself is out of its reach, so this must always be a refusal or a very lucky day.
  (void)till::tuf::TrustedSet::FromRoot(text, till::tuf::SizeCaps());
  const till::Result<till::tuf::Document> document = till::tuf::ParseDocument(text, 1 << 16);
  if (!document.ok()) return 0;
  if (const auto root = till::tuf::ParseRoot(*document); root.ok()) {
    CheckCommon(*root);
    for (const char* role : {"root", "targets", "snapshot", "timestamp"}) {
      Require(root->rule(role).threshold >= 1);
      Require(root->rule(role).threshold <= root->keys.size() ||
              !till::tuf::VerifySignatures(*document, root->keys, root->rule(role)).ok());
    }
  }
  if (const auto timestamp = till::tuf::ParseTimestamp(*document); timestamp.ok()) CheckCommon(*timestamp);
  if (const auto snapshot = till::tuf::ParseSnapshot(*document); snapshot.ok()) {
    CheckCommon(*snapshot);
    Require(snapshot->files.contains("targets.json"));
  }
  if (const auto targets = till::tuf::ParseTargets(*document); targets.ok()) {
    CheckCommon(*targets);
    for (const auto& entry : targets->entries) {
      if (targets->deltas) {
        for (const auto& pattern : targets->deltas->paths) (void)till::tuf::PathMatches(pattern, entry.path);
      }
    }
  }
  return 0;
}
