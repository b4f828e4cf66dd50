// Processes for a measurement: start one on a chosen core, read the processor time that it used, stop it.
// What enters is a command line; what leaves is a pid and nanoseconds. Nothing here waits for a server to be ready, and
// nothing here signals a process that it did not start.
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

// Binds this process (all threads that it starts from now on) to one core. Returns 0, or an errno value.
int bench_pin_self(int core);

// Starts `arguments[0]` (an executable's path) bound to `cores` (bit N is core N), with its output and errors appended to `log_path`.
// `arguments` ends with a null pointer. The child is stopped with SIGTERM if the thread that started it dies, so that an
// interrupted benchmark leaves no server behind. Returns the pid, or the negative of an errno value.
pid_t bench_start(const char *_Nullable const *_Nonnull arguments, uint64_t cores, const char *_Nonnull log_path);

// Asks a child to stop (SIGTERM), waits up to `patience_ms`, then kills it. Returns its wait status, or -1 if it had to be
// killed or was no child.
int bench_stop(pid_t pid, int patience_ms);

// Whether a child still runs. A child that has ended is reaped.
int bench_is_running(pid_t pid);

// Processor time, in nanoseconds, that a process used since it started, user and system, all threads: the kernel's
// own clock of that process, so finer than the 10 ms ticks of /proc/PID/stat. Returns 0 if there is no such process.
uint64_t bench_processor_time(pid_t pid);

// The same for this process.
uint64_t bench_own_processor_time(void);

// Time, in nanoseconds (in steps of a clock tick, mostly 10 ms), that a core was not idle since the machine started, whoever
// used it, and also what a hypervisor kept from it. Returns 0 if the kernel does not tell.
uint64_t bench_core_time(int core);

// A TCP port on 127.0.0.1 that was free a moment ago, or the negative of an errno value.
int bench_free_port(void);

// A monotonic clock in nanoseconds.
uint64_t bench_now(void);

#endif
