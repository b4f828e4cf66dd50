// Latencies in buckets that grow with the value: 64 for each doubling, so a percentile is right within 2 %.
// Nanoseconds enter, nanoseconds leave; nothing is allocated while a round runs.
#ifndef BENCH_LOAD_HISTOGRAM_H
#define BENCH_LOAD_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEPS = 64, HISTOGRAM_BUCKETS = HISTOGRAM_STEPS * 60 };

struct histogram {
  uint64_t total;
  uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value) {
  if (value < HISTOGRAM_STEPS) return (unsigned)value;
  unsigned shift = 63u - (unsigned)__builtin_clzll(value) - 6u;  // leaves seven significant bits, the first of them set
  return (shift + 1) * HISTOGRAM_STEPS + (unsigned)(value >> shift) - HISTOGRAM_STEPS;
}

static inline void histogram_add(struct histogram *histogram, uint64_t value) {
  histogram->total++;
  histogram->buckets[histogram_bucket(value)]++;
}

// The value that `share` (0 to 1) of all values do not exceed; 0 when there is none.
static inline uint64_t histogram_percentile(const struct histogram *histogram, double share) {
  uint64_t wanted = (uint64_t)(share * (double)histogram->total), seen = 0;
  if (wanted >= histogram->total && histogram->total > 0) wanted = histogram->total - 1;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += histogram->buckets[i];
    if (seen > wanted) {
      if (i < HISTOGRAM_STEPS) return i;
      unsigned shift = i / HISTOGRAM_STEPS - 1;
      return ((uint64_t)(i % HISTOGRAM_STEPS) + HISTOGRAM_STEPS) << shift;
    }
  }
  return 0;
}

#endif
