// Marks the stretch of code whose instructions Valgrind's callgrind counts. Nothing enters but a name; callgrind writes the count to its output
// file. Outside of Valgrind all of it does nothing.
#ifndef BENCH_INSTRUCTIONS_H
#define BENCH_INSTRUCTIONS_H

#include <stdbool.h>

// Whether this process runs under Valgrind, and this build can speak to it (it was built where Valgrind's headers are).
bool bench_is_counting_instructions(void);

// Counts user instructions from here.
void bench_instructions_start(void);

// Counts until here and writes the number to a file of its own, in which `name` stands as the reason.
void bench_instructions_stop(const char *_Nonnull name);

#endif
