// See allocations.h. The C library offers its own entry points under second names (`__libc_malloc`), so that no look-up at run time is
// needed, which could itself allocate. Aligned blocks have no such name for posix_memalign; memalign serves both.
#include "allocations.h"

#include <errno.h>
#include <malloc.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static _Thread_local uint64_t calls;

void *malloc(size_t size) {
  calls += 1;
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  calls += 1;
  return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
  calls += 1;
  return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  calls += 1;
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
  calls += 1;
  void *result = __libc_memalign(alignment, size);
  if (result == NULL) return ENOMEM;
  *block = result;
  return 0;
}

uint64_t bench_allocations(void) { return calls; }

uint64_t bench_heap_bytes(void) {
  struct mallinfo2 totals = mallinfo2();
  return totals.uordblks + totals.hblkhd;
}
