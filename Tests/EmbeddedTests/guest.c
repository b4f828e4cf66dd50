/* A host that watches what the library does to its process. Stands before some functions of the C library in the whole process.
 * usage: guest LIBRARY DIRECTORY. DIRECTORY holds policies in many files, and room for more. Prints `threads N trims N`: how many threads were
 * started and how often free memory was given back by opening an engine, reloading it, and then watching a large file that changes; then
 * the engine that watches goes on after `dlclose`. Exit code 1 when anything else goes wrong. */
#include <dlfcn.h>
#include <portcullis.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static atomic_int threads, trims;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
  int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
  atomic_fetch_add(&threads, 1);
  return real(thread, attributes, body, argument);
}

int malloc_trim(size_t pad) {
  (void)pad;
  atomic_fetch_add(&trims, 1);
  return 0;
}

static char name[4096], beside[4096];

/* Writes a file that holds no policy and is larger than what makes memory worth giving back. */
static int write_large(const char *directory, int filler) {
  snprintf(name, sizeof name, "%s/large.yaml", directory);
  snprintf(beside, sizeof beside, "%s/.large", directory);
  FILE *file = fopen(beside, "w");
  if (file == NULL) return 1;
  for (int line = 0; line < 80000; line++) fprintf(file, "# %060d\n", filler);
  return fclose(file) != 0 || rename(beside, name) != 0;
}

int main(int count, char **words) {
  if (count != 3) return 2;
  void *library = dlopen(words[1], RTLD_NOW);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  portcullis_status (*engine_open)(const portcullis_options *, portcullis_engine **, char **);
  portcullis_status (*reload)(portcullis_engine *, char **);
  portcullis_status (*generation)(portcullis_engine *, uint64_t *);
  *(void **)&engine_open = dlsym(library, "portcullis_engine_open");
  *(void **)&reload = dlsym(library, "portcullis_engine_reload");
  *(void **)&generation = dlsym(library, "portcullis_engine_generation");
  const char *paths[] = {words[2]};
  portcullis_options options = portcullis_options_init();
  options.paths = paths;
  options.path_count = 1;
  portcullis_engine *engine = NULL, *watching = NULL;
  char *message = NULL;
  int wrong = engine_open(&options, &engine, &message) != PORTCULLIS_OK || reload(engine, NULL) != PORTCULLIS_OK;
  int started = atomic_load(&threads);
  options.flags = PORTCULLIS_WATCH;
  if (wrong || engine_open(&options, &watching, &message) != PORTCULLIS_OK) {
    fprintf(stderr, "the engine does not open: %s\n", message == NULL ? "" : message);
    return 2;
  }
  uint64_t before = 0, now = 0;
  /* The first reading of the watcher always counts. */
  for (int wait = 0; wait < 6000 && now < 2; wait++) {
    usleep(10000);
    generation(watching, &now);
  }
  dlclose(library);
  for (int round = 0; round < 2; round++) {
    before = now;
    wrong += write_large(words[2], round);
    for (int wait = 0; wait < 6000 && now == before; wait++) {
      usleep(10000);
      generation(watching, &now);
    }
    wrong += now == before;
  }
  printf("threads %d trims %d\n", started, atomic_load(&trims));
  return wrong != 0;
}
