/* LD_PRELOAD: the TILL_FAIL_MALLOC_AT-th allocation of a process that is called TILL_FAIL_MALLOC_IN fails, once. With
 * TILL_COUNT_MALLOC=FILE it writes there how many there were. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);

static atomic_long count;
static long fail_at;
static int ready;

__attribute__((constructor)) static void start(void) {
  const char* name = getenv("TILL_FAIL_MALLOC_IN");
  const char* at = getenv("TILL_FAIL_MALLOC_AT");
  if (name == NULL || strcmp(name, program_invocation_short_name) != 0) return;
  if (at != NULL) fail_at = strtol(at, NULL, 10);
  ready = 1;
}

__attribute__((destructor)) static void end(void) {
  const char* file = getenv("TILL_COUNT_MALLOC");
  if (!ready || file == NULL) return;
  char text[32];
  const int length = snprintf(text, sizeof(text), "%ld", atomic_load(&count));
  const int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd >= 0 && write(fd, text, (size_t)length) == length) close(fd);
}

static int due(void) {
  if (!ready) return 0;
  if (atomic_fetch_add(&count, 1) + 1 != fail_at) return 0;
  errno = ENOMEM;
  return 1;
}

void* malloc(size_t size) { return due() ? NULL : __libc_malloc(size); }
void* calloc(size_t items, size_t size) { return due() ? NULL : __libc_calloc(items, size); }
void* realloc(void* old, size_t size) { return due() ? NULL : __libc_realloc(old, size); }
