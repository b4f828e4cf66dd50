// Counts what a stretch of code asks of the allocator. Nothing enters; numbers leave. It stands before the C library's `malloc`,
// `calloc`, `realloc` and aligned siblings in this executable, passes every call on unchanged, and never allocates itself.
#ifndef BENCH_ALLOCATIONS_H
#define BENCH_ALLOCATIONS_H

#include <stdint.h>

// Calls on this thread since it started that could have taken new memory.
uint64_t bench_allocations(void);

// Bytes in use on the heap of this process, as the C library counts them, mapped blocks included.
uint64_t bench_heap_bytes(void);

#endif
