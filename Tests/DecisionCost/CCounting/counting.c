// See counting.h. The C library offers its allocator under second names (`__libc_malloc`), so that no look-up at run time is needed, which could
// itself allocate. All other functions are looked up when they are first called. (The places that the Swift runtime itself offers to observers,
// `_swift_retain` and its siblings, cannot be used: in Swift 6.3 it hands them the bits of small strings as if they were objects.)
#include "counting.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

static _Thread_local __attribute__((tls_model("initial-exec"))) struct counting counts;
static _Thread_local __attribute__((tls_model("initial-exec"))) bool is_counting;

void counting_take_a_lock(void) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  pthread_mutex_unlock(&lock);
}

#define COUNT(what) \
  if (is_counting) counts.what += 1

#ifdef IS_SANITIZED

bool counting_is_possible(void) { return false; }
void counting_start(void) {}
struct counting counting_stop(void) { return counts; }

#else

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size) {
  COUNT(allocations);
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  COUNT(allocations);
  return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
  COUNT(allocations);
  return __libc_realloc(block, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  COUNT(allocations);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size) {
  COUNT(allocations);
  void *result = __libc_memalign(alignment, size);
  if (result == NULL) return ENOMEM;
  *block = result;
  return 0;
}

// The other functions are found once, by whoever is first: this one of the same name stands before the one that would have been called.
static void *next(void **place, const char *name) {
  void *found = __atomic_load_n(place, __ATOMIC_RELAXED);
  if (found == NULL) {
    found = dlsym(RTLD_NEXT, name);
    // Without it nothing can go on: every program that is linked with these libraries has it.
    if (found == NULL) abort();
    __atomic_store_n(place, found, __ATOMIC_RELAXED);
  }
  return found;
}

#define LOCK(name, type)                                                                 \
  int name(type *lock) {                                                                 \
    static void *original;                                                               \
    COUNT(locks);                                                                        \
    return ((int (*)(type *))next(&original, #name))(lock);                              \
  }

LOCK(pthread_mutex_lock, pthread_mutex_t)
LOCK(pthread_mutex_trylock, pthread_mutex_t)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)

// Swift's compiler expects more registers to survive these calls than C does, where the processor has enough of them (arm64).
#ifdef __aarch64__
#define COUNTED __attribute__((preserve_most))
#else
#define COUNTED
#endif

COUNTED void *swift_retain(void *object) {
  static void *original;
  COUNT(retains);
  return ((void *(*)(void *))next(&original, "swift_retain"))(object);
}

COUNTED void *swift_retain_n(void *object, uint32_t times) {
  static void *original;
  COUNT(retains);
  return ((void *(*)(void *, uint32_t))next(&original, "swift_retain_n"))(object, times);
}

COUNTED void *swift_bridgeObjectRetain(void *object) {
  static void *original;
  COUNT(retains);
  return ((void *(*)(void *))next(&original, "swift_bridgeObjectRetain"))(object);
}

COUNTED void swift_release(void *object) {
  static void *original;
  COUNT(releases);
  ((void (*)(void *))next(&original, "swift_release"))(object);
}

COUNTED void swift_release_n(void *object, uint32_t times) {
  static void *original;
  COUNT(releases);
  ((void (*)(void *, uint32_t))next(&original, "swift_release_n"))(object, times);
}

COUNTED void swift_bridgeObjectRelease(void *object) {
  static void *original;
  COUNT(releases);
  ((void (*)(void *))next(&original, "swift_bridgeObjectRelease"))(object);
}

bool counting_is_possible(void) { return true; }

void counting_start(void) {
  counts = (struct counting){0};
  is_counting = true;
}

struct counting counting_stop(void) {
  is_counting = false;
  return counts;
}

#endif
