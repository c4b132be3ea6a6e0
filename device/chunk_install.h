// An image put together in the spare slot from what the terminal holds and the chunks that it lacks: the installer's
// way for payloads of kind chunks (installer.h says what comes in and what comes out, docs/formats/chunks.md the rest).
//   The index is fetched first and checked against its signed hash; the running slot is looked through once; then the
//   observer hears how much will travel, before the first chunk does. A checkpoint is a place in the image.
//   Memory: ChunkAssembler::ArenaBytesFor(index), no more than the signed entry says. One thread.
#pragma once

#include "device/installer.h"

namespace till::device {

InstallEnd InstallChunks(PayloadFetcher& fetcher, InstallObserver& observer, const InstallInput& input);

}  // namespace till::device
