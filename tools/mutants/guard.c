/* The switch of ./dev mutants, linked into every program of the instrumented tree.
 *   TILL_MUTANT=1a2b3c4d        the guard of this id does not hold
 *   TILL_MUTANT_FIRED=FILE      the ids of guards that fired are noted in FILE: SLOTS words of 32 bits, a hash table
 * The file is mapped before main(), so that a process that confines itself, forks or is killed still notes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLOTS = 1 << 14 };

static uint32_t removed;
static _Atomic uint32_t* fired;

__attribute__((constructor)) static void begin(void) {
  const char* id = getenv("TILL_MUTANT");
  if (id) removed = (uint32_t)strtoul(id, NULL, 16);
  const char* path = getenv("TILL_MUTANT_FIRED");
  if (!path) return;
  const int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void* map = mmap(NULL, SLOTS * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (map != MAP_FAILED) fired = map;
  close(file);
}

/* Asked when a guard is about to refuse: 1 when it may. */
int till_guard(uint32_t id) {
  if (fired) {
    for (uint32_t probe = 0; probe < SLOTS; probe++) {
      _Atomic uint32_t* slot = &fired[(id + probe) % SLOTS];
      uint32_t held = 0;
      if (*slot == id || __atomic_compare_exchange_n((uint32_t*)slot, &held, id, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        break;
      if (held == id) break;
    }
  }
  return id != removed;
}
