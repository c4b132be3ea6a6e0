/* Applying a Tillrace payload from C: push-style, in memory the caller gives, one pass.
 *
 *   till_apply_inspect()   chunk list and first chunk -> what the payload needs, before anything is spent
 *   till_apply_create()    checks the base (reads all of it), divides the arena
 *   till_apply_start() or till_apply_resume()
 *   till_apply_write()     body bytes from till_apply_next_offset() on, in any pieces, until that is info.body_bytes
 *   till_apply_finish()    the target is whole and its SHA-256 is the promised one; only then use it
 *   till_apply_destroy()
 *
 *   A payload file is the chunk list, info.list_bytes long, and the body behind it. Nothing here checks a signature:
 *   before till_apply_create() compare the SHA-256 of the chunk list, and what till_apply_info says, with your signed
 *   metadata. From then on every byte is checked against the list before it is used.
 *   Memory: the arena, and about 40 KiB and the chunk list (1 KiB for each MiB of payload) from the heap in create().
 *   Nothing is allocated afterwards. Thread rule: one thread at a time for each object.
 *   Errors: `code` says what to do, `what` is static text, `detail` a number (errno, body offset, bound). After an
 * error of write() or finish() the target holds nothing of use. Layout of payloads: docs/formats/payload.md.
 */
#ifndef TILL_APPLY_H
#define TILL_APPLY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  TILL_APPLY_CHUNK_BYTES = 32768, /* of the body; the last chunk may be short */
  TILL_APPLY_LIST_START_BYTES = 16
};

typedef enum {
  TILL_APPLY_OK = 0,
  TILL_APPLY_INVALID,     /* called in a wrong order or with wrong arguments */
  TILL_APPLY_CORRUPT,     /* not a payload, or a damaged one: fetch it again */
  TILL_APPLY_IO,          /* a callback failed; detail: what it answered */
  TILL_APPLY_LIMIT,       /* more memory than given; detail: bytes */
  TILL_APPLY_REFUSED,     /* another base, or a checkpoint of another payload */
  TILL_APPLY_UNSUPPORTED, /* made for a newer reader; detail: the version or number */
} till_apply_code;

typedef struct {
  till_apply_code code;
  const char* what;
  uint64_t detail;
} till_apply_result;

typedef struct {
  uint64_t list_bytes;
  uint64_t body_bytes;
  uint64_t base_bytes; /* 0: a full payload, no base is read */
  uint64_t target_bytes;
  uint32_t arena_bytes;
  uint32_t instructions_mi; /* the packer's estimate for a MIPS 24K, in 2^20 instructions; 0: unknown */
  uint8_t base_sha256[32];
  uint8_t target_sha256[32];
} till_apply_info;

/* Where to go on after a kill or a power cut. Keep it as it is; it is checked when it comes back. */
typedef struct {
  uint64_t body_offset;
  uint32_t frame_index;
  uint64_t target_offset; /* target bytes that are durable */
  struct {
    uint32_t chain[8];
    uint8_t tail[64];
  } chunk; /* of a hash half way: so that bytes before body_offset need not come again */
} till_apply_checkpoint;

/* Callbacks answer 0, or an error number that comes back as TILL_APPLY_IO with this detail. */
typedef struct {
  void* context;
  int (*read_base)(void* context, uint64_t offset, void* out, size_t count);
  /* Target bytes in order, at most 32768 at a time, from where start() or resume() began. */
  int (*write_target)(void* context, const void* bytes, size_t count);
  /* Only for resume(): bytes written in an earlier life. May be null when resume() is never called. */
  int (*read_target)(void* context, uint64_t offset, void* out, size_t count);
  /* How many bytes of the target a power cut would leave now. Null: all that were written. */
  uint64_t (*durable_bytes)(void* context);
  /* A new checkpoint, after each frame. May be null. */
  void (*on_checkpoint)(void* context, const till_apply_checkpoint* checkpoint);
} till_apply_io;

typedef struct till_apply till_apply;

/* The length of a chunk list from its first TILL_APPLY_LIST_START_BYTES; 0 when it is none. */
uint64_t till_apply_list_bytes(const void* list_start);

/* `chunk`: the body's first chunk, whole (TILL_APPLY_CHUNK_BYTES or the whole body). */
till_apply_result till_apply_inspect(const void* list, size_t list_bytes, const void* chunk, size_t chunk_bytes,
                                     till_apply_info* info);

/* What till_apply_inspect() got, the callbacks (copied) and an arena of at least info.arena_bytes, which stays the
 * caller's and must outlive the object. `*out` is null unless the answer is TILL_APPLY_OK. */
typedef struct {
  const void* list;
  size_t list_bytes;
  const void* chunk;
  size_t chunk_bytes;
  till_apply_io io;
  void* arena;
  size_t arena_bytes;
} till_apply_options;
till_apply_result till_apply_create(const till_apply_options* options, till_apply** out);
void till_apply_destroy(till_apply* apply);

till_apply_result till_apply_start(till_apply* apply);
/* TILL_APPLY_REFUSED (here or from a later write): start from 0 with a new object. */
till_apply_result till_apply_resume(till_apply* apply, const till_apply_checkpoint* checkpoint);

/* Bytes from till_apply_next_offset() on. After resume() that may jump once, forwards: look at it after every write. */
till_apply_result till_apply_write(till_apply* apply, const void* bytes, size_t count);
uint64_t till_apply_next_offset(const till_apply* apply);
till_apply_result till_apply_finish(till_apply* apply);

#ifdef __cplusplus
}
#endif

#endif
