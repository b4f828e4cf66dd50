// A dynamic module that lets every request pass without a look at it: what Envoy's own part of a dynamic module costs, below which no
// module can be. Only `portcullis-bench envoy` loads it.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Pointer and length, as Envoy passes texts.
struct text {
  const char *data;
  size_t size;
};

static int one;

const char *envoy_dynamic_module_on_program_init(void) { return "idle"; }
const void *envoy_dynamic_module_on_http_filter_config_new(void *config, struct text name, struct text text) {
  (void)config, (void)name, (void)text;
  return &one;
}
void envoy_dynamic_module_on_http_filter_config_destroy(const void *config) { (void)config; }
const void *envoy_dynamic_module_on_http_filter_new(const void *config, void *filter) {
  (void)config, (void)filter;
  return &one;
}
void envoy_dynamic_module_on_http_filter_destroy(const void *stream) { (void)stream; }

// Zero is "go on".
#define PASS(name, ...) \
  int32_t envoy_dynamic_module_on_http_filter_##name(__VA_ARGS__) { return 0; }
#define NOTHING(name, ...) \
  void envoy_dynamic_module_on_http_filter_##name(__VA_ARGS__) {}
PASS(request_headers, void *f, const void *s, bool end)
PASS(request_body, void *f, const void *s, bool end)
PASS(request_trailers, void *f, const void *s)
PASS(response_headers, void *f, const void *s, bool end)
PASS(response_body, void *f, const void *s, bool end)
PASS(response_trailers, void *f, const void *s)
NOTHING(stream_complete, void *f, const void *s)
NOTHING(scheduled, void *f, const void *s, uint64_t event)
NOTHING(config_scheduled, void *e, const void *c, uint64_t event)
NOTHING(http_callout_done, void *f, const void *s, uint64_t id, int32_t r, void *h, size_t n, void *c, size_t m)
NOTHING(http_stream_headers, void *f, const void *s, uint64_t id, void *h, size_t n, bool end)
NOTHING(http_stream_data, void *f, const void *s, uint64_t id, const void *c, size_t n, bool end)
NOTHING(http_stream_trailers, void *f, const void *s, uint64_t id, void *t, size_t n)
NOTHING(http_stream_complete, void *f, const void *s, uint64_t id)
NOTHING(http_stream_reset, void *f, const void *s, uint64_t id, int32_t reason)
NOTHING(downstream_above_write_buffer_high_watermark, void *f, const void *s)
NOTHING(downstream_below_write_buffer_low_watermark, void *f, const void *s)
