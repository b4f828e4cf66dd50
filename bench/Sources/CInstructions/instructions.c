// See instructions.h. Valgrind is spoken to by instructions that mean nothing to a processor, which its header writes.
#include "instructions.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>

bool bench_is_counting_instructions(void) { return RUNNING_ON_VALGRIND != 0; }

void bench_instructions_start(void) {
  CALLGRIND_START_INSTRUMENTATION;
  CALLGRIND_ZERO_STATS;
}

void bench_instructions_stop(const char *name) {
  CALLGRIND_DUMP_STATS_AT(name);
  CALLGRIND_STOP_INSTRUMENTATION;
}

#else

bool bench_is_counting_instructions(void) { return false; }
void bench_instructions_start(void) {}
void bench_instructions_stop(const char *name) {}

#endif
