// Counts what a stretch of code asks of the allocator, of Swift's reference counting and of locks. Nothing enters; numbers leave. It stands before
// the C library's `malloc` and its siblings, before `pthread_mutex_lock` and its siblings, and before `swift_retain` and its siblings, in whatever
// is linked into the same executable. Every call is passed on unchanged, and nothing is allocated here. What the Swift runtime counts within
// itself is not seen, nor a lock of Swift's own (`Mutex`) that nobody else holds: it calls nothing.
//
// Under the sanitizers, which stand at the same places, nothing is counted: see `counting_is_possible`.
#ifndef COUNTING_H
#define COUNTING_H

#include <stdbool.h>
#include <stdint.h>

// What one thread did between `counting_start` and `counting_stop`.
struct counting {
  // Calls of the allocator that could have taken new memory; Swift's objects come from it, too.
  uint64_t allocations;
  // References that were counted up, and down; a call that counts several is one.
  uint64_t retains;
  uint64_t releases;
  // Locks of pthreads that were taken, or tried.
  uint64_t locks;
};

// Whether this build counts at all.
bool counting_is_possible(void);

// Counts from here, on this thread.
void counting_start(void);

// Ends it, and says what was counted.
struct counting counting_stop(void);

// Takes a lock and gives it back, so that a test can see that locks are counted.
void counting_take_a_lock(void);

#endif
