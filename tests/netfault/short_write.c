/* LD_PRELOAD: the TILL_SHORT_WRITE_AT-th write, pwrite or send of more than one byte takes one byte alone, in a process
 * that is called TILL_SHORT_WRITE_IN. With TILL_SHORT_WRITE_LIES=1 only writes to regular files count, and that one
 * says that it took one byte and took none: storage that lost it. With TILL_COUNT_WRITES=FILE it writes there how many
 * there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t (*real_write)(int, const void*, size_t);
static ssize_t (*real_pwrite)(int, const void*, size_t, off64_t);
static ssize_t (*real_send)(int, const void*, size_t, int);
static atomic_long count;
static long short_at;
static int ready;
static int lies;

__attribute__((constructor)) static void start(void) {
  *(void**)&real_write = dlsym(RTLD_NEXT, "write");
  *(void**)&real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  *(void**)&real_send = dlsym(RTLD_NEXT, "send");
  const char* name = getenv("TILL_SHORT_WRITE_IN");
  const char* at = getenv("TILL_SHORT_WRITE_AT");
  if (name == NULL || strcmp(name, program_invocation_short_name) != 0) return;
  if (at != NULL) short_at = strtol(at, NULL, 10);
  lies = getenv("TILL_SHORT_WRITE_LIES") != NULL;
  ready = 1;
}

__attribute__((destructor)) static void end(void) {
  const char* file = getenv("TILL_COUNT_WRITES");
  if (!ready || file == NULL) return;
  char text[32];
  const int length = snprintf(text, sizeof(text), "%ld", atomic_load(&count));
  const int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd >= 0 && real_write(fd, text, (size_t)length) == length) close(fd);
}

static int due(int fd, size_t bytes) {
  struct stat about;
  if (!ready || bytes < 2) return 0;
  if (lies && (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode))) return 0;
  return atomic_fetch_add(&count, 1) + 1 == short_at;
}

ssize_t write(int fd, const void* from, size_t bytes) {
  if (!due(fd, bytes)) return real_write(fd, from, bytes);
  return lies ? 1 : real_write(fd, from, 1);
}

ssize_t pwrite64(int fd, const void* from, size_t bytes, off64_t offset) {
  if (!due(fd, bytes)) return real_pwrite(fd, from, bytes, offset);
  return lies ? 1 : real_pwrite(fd, from, 1, offset);
}

ssize_t pwrite(int fd, const void* from, size_t bytes, off_t offset) { return pwrite64(fd, from, bytes, offset); }

ssize_t send(int fd, const void* from, size_t bytes, int flags) {
  return real_send(fd, from, due(fd, bytes) ? 1 : bytes, flags);
}
