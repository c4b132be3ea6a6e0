/* Rebuilds an image from a payload with Tillrace's C API, as an updater of your own would: it keeps a checkpoint in a
 * file and goes on from it after it was stopped. Written to be read; a real one takes the payload from the network and
 * compares what till_apply_inspect() says with signed metadata.
 *
 *   apply_payload PAYLOAD BASE TARGET CHECKPOINT       exit 0 when TARGET is whole and right
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "delta/apply/till_apply.h"

enum { kPieceBytes = 10000 }; /* as it comes from a network: any size will do */

typedef struct {
  FILE* base;
  FILE* target;
  const char* checkpoint_path;
} Files;

static int ReadAt(FILE* file, uint64_t offset, void* out, size_t count) {
  if (fseek(file, (long)offset, SEEK_SET) != 0) return errno;
  return fread(out, 1, count, file) == count ? 0 : EIO;
}

static int ReadBase(void* context, uint64_t offset, void* out, size_t count) {
  return ReadAt(((Files*)context)->base, offset, out, count);
}

static int ReadTarget(void* context, uint64_t offset, void* out, size_t count) {
  return ReadAt(((Files*)context)->target, offset, out, count);
}

static int WriteTarget(void* context, const void* bytes, size_t count) {
  return fwrite(bytes, 1, count, ((Files*)context)->target) == count ? 0 : EIO;
}

/* A real one writes beside, syncs and renames, and syncs the target first. */
static void KeepCheckpoint(void* context, const till_apply_checkpoint* checkpoint) {
  Files* files = context;
  FILE* file = fopen(files->checkpoint_path, "wb");
  fflush(files->target);
  if (file == NULL) return;
  fwrite(checkpoint, sizeof *checkpoint, 1, file);
  fclose(file);
}

static int LoadCheckpoint(const char* path, till_apply_checkpoint* checkpoint) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) return 0;
  const int found = fread(checkpoint, sizeof *checkpoint, 1, file) == 1;
  fclose(file);
  return found;
}

static int Fail(const char* doing, till_apply_result result) {
  fprintf(stderr, "%s: %s (code %d, detail %llu)\n", doing, result.what, (int)result.code,
          (unsigned long long)result.detail);
  return 1;
}

/* The chunk list and the first chunk: all that is needed to know what the payload wants. */
static int ReadHead(FILE* payload, till_apply_options* options, till_apply_info* info) {
  static unsigned char chunk[TILL_APPLY_CHUNK_BYTES];
  unsigned char start[TILL_APPLY_LIST_START_BYTES];
  if (ReadAt(payload, 0, start, sizeof start) != 0) return 1;
  options->list_bytes = (size_t)till_apply_list_bytes(start);
  void* list = malloc(options->list_bytes);
  if (options->list_bytes == 0 || list == NULL || ReadAt(payload, 0, list, options->list_bytes) != 0) return 1;
  options->list = list;
  options->chunk = chunk;
  options->chunk_bytes = fread(chunk, 1, sizeof chunk, payload);
  const till_apply_result result =
      till_apply_inspect(options->list, options->list_bytes, options->chunk, options->chunk_bytes, info);
  return result.code == TILL_APPLY_OK ? 0 : Fail("inspect", result);
}

static int Push(till_apply* apply, FILE* payload, const till_apply_info* info) {
  while (till_apply_next_offset(apply) < info->body_bytes) {
    unsigned char piece[kPieceBytes];
    if (fseek(payload, (long)(info->list_bytes + till_apply_next_offset(apply)), SEEK_SET) != 0) return 1;
    const size_t got = fread(piece, 1, sizeof piece, payload);
    if (got == 0) {
      fprintf(stderr, "the payload ends here; run again when there is more\n");
      return 1;
    }
    const till_apply_result result = till_apply_write(apply, piece, got);
    if (result.code != TILL_APPLY_OK) return Fail("write", result);
  }
  const till_apply_result result = till_apply_finish(apply);
  return result.code == TILL_APPLY_OK ? 0 : Fail("finish", result);
}

static int Run(FILE* payload, Files* files) {
  till_apply_options options = {0};
  till_apply_info info;
  if (ReadHead(payload, &options, &info) != 0) return 1;
  options.io = (till_apply_io){.context = files,
                               .read_base = ReadBase,
                               .write_target = WriteTarget,
                               .read_target = ReadTarget,
                               .on_checkpoint = KeepCheckpoint};
  options.arena_bytes = info.arena_bytes;
  options.arena = malloc(info.arena_bytes);
  till_apply* apply = NULL;
  till_apply_result result = till_apply_create(&options, &apply);
  if (result.code != TILL_APPLY_OK) return Fail("create", result);
  till_apply_checkpoint checkpoint;
  if (LoadCheckpoint(files->checkpoint_path, &checkpoint)) {
    printf("going on at %llu\n", (unsigned long long)checkpoint.target_offset);
    result = till_apply_resume(apply, &checkpoint);
    fseek(files->target, (long)checkpoint.target_offset, SEEK_SET);
  } else {
    result = till_apply_start(apply);
  }
  const int failed = result.code != TILL_APPLY_OK ? Fail("start", result) : Push(apply, payload, &info);
  till_apply_destroy(apply);
  free(options.arena);
  free((void*)options.list);
  return failed;
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: apply_payload PAYLOAD BASE TARGET CHECKPOINT\n");
    return 2;
  }
  FILE* payload = fopen(argv[1], "rb");
  Files files = {.base = fopen(argv[2], "rb"), .target = fopen(argv[3], "r+b"), .checkpoint_path = argv[4]};
  if (files.target == NULL) files.target = fopen(argv[3], "w+b");
  if (payload == NULL || files.base == NULL || files.target == NULL) {
    perror("a file cannot be opened");
    return 1;
  }
  const int failed = Run(payload, &files);
  if (fclose(files.target) != 0) return 1;
  if (!failed) remove(argv[4]);
  return failed;
}
