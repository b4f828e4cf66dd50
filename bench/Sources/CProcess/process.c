// See process.h. Between fork and exec only calls that are safe after a fork in a process with threads are made.
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t read_clock(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) return 0;
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int pin_self(uint64_t cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int core = 0; core < 64; core += 1) {
    if (cores >> core & 1) CPU_SET(core, &set);
  }
  return sched_setaffinity(0, sizeof set, &set) == 0 ? 0 : errno;
}

int bench_pin_self(int core) { return core < 0 || core > 63 ? EINVAL : pin_self((uint64_t)1 << core); }

pid_t bench_start(const char *const *arguments, uint64_t cores, const char *log_path) {
  int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return -errno;
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid == 0) {
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent) _exit(126);
    if (pin_self(cores) != 0) _exit(126);
    if (dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0) _exit(126);
    execv(arguments[0], (char *const *)arguments);
    _exit(127);
  }
  int failure = errno;
  close(log);
  return pid < 0 ? -failure : pid;
}

int bench_is_running(pid_t pid) {
  int status;
  return waitpid(pid, &status, WNOHANG) == 0;
}

int bench_stop(pid_t pid, int patience_ms) {
  int status;
  if (kill(pid, SIGTERM) != 0) return -1;
  for (int waited = 0; waited <= patience_ms; waited += 10) {
    pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) return status;
    if (ended < 0) return -1;
    struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    nanosleep(&pause, NULL);
  }
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  return -1;
}

uint64_t bench_processor_time(pid_t pid) {
  clockid_t clock;
  return clock_getcpuclockid(pid, &clock) == 0 ? read_clock(clock) : 0;
}

uint64_t bench_own_processor_time(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

uint64_t bench_core_time(int core) {
  FILE *file = fopen("/proc/stat", "re");
  if (file == NULL) return 0;
  char line[512], wanted[16];
  int length = snprintf(wanted, sizeof wanted, "cpu%d ", core);
  unsigned long long user, nice, system, idle, waiting, interrupts, deferred, stolen, ticks = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, wanted, (size_t)length) != 0) continue;
    if (sscanf(line + length, "%llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &system, &idle, &waiting, &interrupts,
               &deferred, &stolen) == 8) {
      ticks = user + nice + system + interrupts + deferred + stolen;
    }
    break;
  }
  fclose(file);
  return (uint64_t)ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

int bench_free_port(void) {
  int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (sock < 0) return -errno;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int port = -EADDRNOTAVAIL;
  if (bind(sock, (struct sockaddr *)&address, length) == 0 && getsockname(sock, (struct sockaddr *)&address, &length) == 0) {
    port = ntohs(address.sin_port);
  }
  close(sock);
  return port;
}

uint64_t bench_now(void) { return read_clock(CLOCK_MONOTONIC); }
