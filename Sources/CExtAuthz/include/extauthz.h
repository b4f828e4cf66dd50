// The bridge between the wire and the decision. What enters: encoded CheckRequest messages, over gRPC or as bytes.
// What leaves: plain structs that borrow those bytes, and encoded CheckResponse messages. What never happens here: a
// decision, a type of gRPC or protobuf in this header, and an answer that a proxy could read as an allow when nobody
// allowed.
//
// Memory: every pointer in an `extauthz_request` is borrowed. It lives until the handler returns, or, after
// `extauthz_decode`, until the next use of the same arena or the end of the message's bytes. Every pointer that a handler puts into an `extauthz_reply` must
// stay valid until the bridge has encoded it, which is right after the handler returned, on the same thread, before the
// same worker calls the handler again. Memory that belongs to the worker (a per-worker scratch buffer) satisfies that.
//
// Text: bytes with a size, never terminated, and possibly holding NUL bytes. In a request all text is valid UTF-8 except
// header values that came as raw lines and the call's own metadata.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Bytes that somebody else owns. On the wire, absent and empty text are the same thing, so in a request both have size 0,
/// and `data` may be null. In a reply, where presence matters, a null `data` means absent.
typedef struct extauthz_bytes {
  const uint8_t *_Nullable data;
  size_t size;
} extauthz_bytes;

typedef struct extauthz_pair {
  extauthz_bytes key;
  extauthz_bytes value;
} extauthz_pair;

// MARK: The question

typedef enum extauthz_address_kind {
  /// No address was sent.
  EXTAUTHZ_ADDRESS_NONE = 0,
  /// `text` is an IP address as text; a port may follow.
  EXTAUTHZ_ADDRESS_SOCKET = 1,
  /// `text` is the path of a unix socket: the listener's, also for the source.
  EXTAUTHZ_ADDRESS_PIPE = 2,
  /// `text` is the name of a listener inside the proxy.
  EXTAUTHZ_ADDRESS_INTERNAL = 3,
} extauthz_address_kind;

typedef struct extauthz_address {
  extauthz_address_kind kind;
  /// 0 is TCP, 1 is UDP; other values as received. For sockets only.
  uint32_t protocol;
  extauthz_bytes text;
  /// A number was sent; it is not checked to fit 16 bits.
  bool has_port;
  uint32_t port;
  /// A name was sent instead of a number.
  bool has_named_port;
  extauthz_bytes named_port;
} extauthz_address;

typedef struct extauthz_peer {
  bool present;
  extauthz_address address;
  /// One identity, chosen by the proxy. Empty: the peer has none.
  extauthz_bytes principal;
  /// The leaf certificate, PEM, URL-encoded. Empty: not sent.
  extauthz_bytes certificate;
  extauthz_bytes service;
  /// Each key once; of repeated keys the last was kept, as protobuf demands of maps.
  const extauthz_pair *_Nullable labels;
  size_t label_count;
} extauthz_peer;

typedef enum extauthz_metadata_kind {
  EXTAUTHZ_METADATA_NULL = 0,
  EXTAUTHZ_METADATA_NUMBER = 1,
  EXTAUTHZ_METADATA_STRING = 2,
  EXTAUTHZ_METADATA_BOOL = 3,
  EXTAUTHZ_METADATA_STRUCT = 4,
  EXTAUTHZ_METADATA_LIST = 5,
} extauthz_metadata_kind;

/// `metadata_context.filter_metadata`, flattened in preorder. The descendants of the node at index i are i + 1 ..< end; the
/// first child of a non-empty node is at i + 1, and the sibling of a node is at its `end`. Nodes of depth 0 are the filter
/// namespaces, and of kind STRUCT.
typedef struct extauthz_metadata_node {
  uint32_t depth;
  extauthz_metadata_kind kind;
  /// Name within the parent; empty inside a list. The fields of a struct are sorted by their bytes, each key once; of
  /// repeated keys the last was kept. A namespace that comes twice makes the message malformed.
  extauthz_bytes key;
  /// For STRING.
  extauthz_bytes string;
  /// For NUMBER; may be infinite or not a number.
  double number;
  /// For BOOL.
  bool boolean;
  /// Index one past the last descendant; own index + 1 for a node without children.
  uint32_t end;
} extauthz_metadata_node;

typedef struct extauthz_request {
  /// Both are present in every request that reaches a handler.
  extauthz_peer source;
  extauthz_peer destination;
  /// False: a TCP connection; nothing in this group was sent.
  bool has_http;
  extauthz_bytes method;
  /// With the query.
  extauthz_bytes path;
  /// With the port, if the client wrote one.
  extauthz_bytes host;
  extauthz_bytes scheme;
  /// `HTTP/1.1`, `HTTP/2`, and so on.
  extauthz_bytes protocol;
  /// Some form of headers was sent. Pseudo headers (`:path`) are among them.
  bool has_headers;
  /// True: `headers` are the raw lines in order, a name may repeat, values are any bytes. False: they are the joined form,
  /// where repeated headers were joined with a comma, and each name stands once.
  bool header_map_present;
  const extauthz_pair *_Nullable headers;
  size_t header_count;
  /// The proxy tells about its TLS session; `sni` may still be empty.
  bool has_tls_session;
  extauthz_bytes sni;
  /// Each key once.
  const extauthz_pair *_Nullable context_extensions;
  size_t context_extension_count;
  bool has_metadata_context;
  const extauthz_metadata_node *_Nullable metadata;
  size_t metadata_count;
  /// Initial metadata of the gRPC call, without pseudo headers, names in lower case, a name may repeat. Empty after
  /// `extauthz_decode`.
  const extauthz_pair *_Nullable call_metadata;
  size_t call_metadata_count;
} extauthz_request;

// MARK: The answer

/// `outcome` of a reply. Whatever is not exactly EXTAUTHZ_ALLOW is encoded as a denial.
enum {
  EXTAUTHZ_DENY = 0,
  EXTAUTHZ_ALLOW = 1,
};

/// How many entries of dynamic metadata a reply can carry.
#define EXTAUTHZ_REPLY_METADATA_LIMIT 16

/// What a handler decides. All zero, as the handler receives it, is a denial: `status.code` 7 (PERMISSION_DENIED) and a
/// `denied_response` with 403 and the body `RBAC: access denied`.
typedef struct extauthz_reply {
  int32_t outcome;
  /// Denials only: 400 ... 599. Anything else is sent as 403.
  uint32_t http_status;
  /// Denials only. A null `data` means the default body; a non-null `data` of size 0 means an empty body.
  extauthz_bytes body;
  /// `status.message`; the proxy does not show it to its client.
  extauthz_bytes message;
  /// Dynamic metadata, all values strings. Text that is not UTF-8 is sent with replacement characters.
  extauthz_pair metadata[EXTAUTHZ_REPLY_METADATA_LIMIT];
  /// Entries in use; more than the limit counts as the limit.
  uint32_t metadata_count;
  /// The question was about a TCP connection: a denial then carries no `denied_response`.
  bool is_tcp;
} extauthz_reply;

/// Decides one request. Called on a worker thread, by many workers at once, but never twice at once with the same `worker`
/// (0 ..< workers), so per-worker state needs no lock. It must not block for long and must not throw or unwind. `reply`
/// arrives zeroed, so returning at once denies.
typedef void (*extauthz_handler)(
    void *_Nullable context, uint32_t worker, const extauthz_request *_Nonnull request, extauthz_reply *_Nonnull reply);

// MARK: The codec

typedef enum extauthz_status {
  EXTAUTHZ_STATUS_OK = 0,
  /// Not a CheckRequest that can be decided: undecodable, text that is not UTF-8, no attributes, source or destination.
  EXTAUTHZ_STATUS_MALFORMED = 1,
  /// Well-formed as far as read, but beyond a limit: memory, nesting, number of metadata nodes.
  EXTAUTHZ_STATUS_TOO_LARGE = 2,
} extauthz_status;

typedef struct extauthz_error {
  extauthz_status status;
  /// A static text without a period; set by every decode.
  const char *_Nullable reason;
} extauthz_error;

/// Memory for one decoded request at a time. Not thread-safe; one for each thread.
typedef struct extauthz_arena extauthz_arena;

/// `max_bytes` bounds what one message may allocate; 0 stands for 64 MiB. Below that bound, a message may use 16 times its
/// own size and 4 MiB. Null if there is no memory.
extauthz_arena *_Nullable extauthz_arena_create(size_t max_bytes);
void extauthz_arena_destroy(extauthz_arena *_Nullable arena);
/// Ends the life of everything decoded into the arena. Keeps a small block for the next message, returns the rest.
void extauthz_arena_reset(extauthz_arena *_Nonnull arena);
/// Bytes that the arena holds from the system now.
size_t extauthz_arena_footprint(const extauthz_arena *_Nonnull arena);

/// Decodes a CheckRequest. Resets the arena first. True: `request` is complete and borrows from the arena and from `bytes`.
/// False: `error` says why, and `request` is zeroed. Time is linear in the size of the message, apart from sorting the keys
/// of maps with more than a few entries.
bool extauthz_decode(
    extauthz_arena *_Nonnull arena, extauthz_bytes bytes, extauthz_request *_Nonnull request, extauthz_error *_Nonnull error);

/// The same without the short way for messages of the form that proxies write. For tests: both must agree on every message.
bool extauthz_decode_generally(
    extauthz_arena *_Nonnull arena, extauthz_bytes bytes, extauthz_request *_Nonnull request, extauthz_error *_Nonnull error);

/// Whether a message goes the short way. For tests: what proxies send must. Resets the arena.
bool extauthz_is_ordinary(extauthz_arena *_Nonnull arena, extauthz_bytes bytes);

/// Encodes a CheckResponse into `buffer` and returns its size, which is never 0 for a message: 0 means that the message did
/// not fit or that there was no memory, and that nothing must be sent as an answer. Each encoded message carries `status`.
size_t extauthz_encode(const extauthz_reply *_Nonnull reply, uint8_t *_Nullable buffer, size_t capacity);

// MARK: The server

typedef struct extauthz_listener {
  /// `127.0.0.1:9191`, `[::1]:0` (a free port), `unix:/path`.
  const char *_Nonnull address;
  bool tls;
} extauthz_listener;

/// One line of gRPC's own log. Severity: 0 debug, 1 information, 2 error. Called on any thread.
typedef void (*extauthz_log_handler)(int32_t severity, const char *_Nonnull message);

typedef struct extauthz_server_options {
  const extauthz_listener *_Nullable listeners;
  size_t listener_count;
  /// PEM files for listeners with TLS: our chain, our key, and the authorities that clients must be signed by. Read again
  /// every `refresh_seconds` (0: 10); a change holds for new connections.
  const char *_Nullable certificate_path;
  const char *_Nullable key_path;
  const char *_Nullable client_ca_path;
  uint32_t refresh_seconds;
  /// Threads that decide, 1 ... 256; 0: one for each processor.
  uint32_t workers;
  /// Largest CheckRequest; 0: 4 MiB. Larger ones are refused by gRPC with RESOURCE_EXHAUSTED.
  uint32_t max_message_bytes;
  /// Listen where another process listens already: on a TCP port beside it, so that new connections go to either until it
  /// stops; on a unix socket's path in its place. False: such an address is refused, because two servers that share a port by
  /// accident answer in turns.
  bool take_over;
  extauthz_handler _Nonnull handler;
  void *_Nullable context;
  /// Process-wide; null leaves gRPC's log as it is.
  extauthz_log_handler _Nullable log;
} extauthz_server_options;

typedef struct extauthz_server extauthz_server;

/// Starts to listen and to answer. Health is NOT_SERVING until `extauthz_server_set_serving`; checks are answered at once.
/// `options` is needed only during the call; what `context` points to must outlive the server. `bound_ports`, if given, has
/// room for one port for each listener (0 for a unix socket). Null: `error` (always terminated) says what is wrong.
extauthz_server *_Nullable extauthz_server_start(
    const extauthz_server_options *_Nonnull options, char *_Nonnull error, size_t capacity, uint16_t *_Nullable bound_ports);

/// Sets what grpc.health.v1.Health says about the services "" and "envoy.service.auth.v3.Authorization", and tells those
/// that watch. Any thread; without effect once draining.
void extauthz_server_set_serving(extauthz_server *_Nonnull server, bool serving);

/// Stops so that nobody loses an answer: health becomes NOT_SERVING, listeners close, clients get GOAWAY, calls that still
/// come on their connections are answered, then the connections close. Calls left after `grace_milliseconds` are cancelled.
/// Blocks until no handler runs any more. True: no call was cancelled. A second drain returns the first one's answer. Not
/// from a handler.
bool extauthz_server_drain(extauthz_server *_Nonnull server, uint32_t grace_milliseconds);

/// Drains without grace if nobody drained before, ends the threads and frees everything. Not from a handler; nothing else
/// may use the server meanwhile.
void extauthz_server_destroy(extauthz_server *_Nullable server);

/// Totals since the start. A check is counted once in `checks` and, unless it was allowed or denied, in the field that says
/// why it was not.
typedef struct extauthz_server_counters_values {
  uint64_t checks;
  uint64_t allowed;
  uint64_t denied;
  uint64_t malformed;
  /// Decoding needed more memory, depth or nodes than allowed. Messages over `max_message_bytes` are refused before they are
  /// seen here, and not counted.
  uint64_t too_large;
  /// The deadline had passed before the handler could run.
  uint64_t deadline_exceeded;
  /// No memory for the reply.
  uint64_t internal_errors;
  /// The client went away, or its deadline passed, before it had the answer.
  uint64_t cancelled;
  uint64_t unimplemented;
  uint64_t health_checks;
  uint64_t health_watches;
} extauthz_server_counters_values;

/// Any thread. Each value is exact for its own moment; together they are not a snapshot.
void extauthz_server_counters(extauthz_server *_Nonnull server, extauthz_server_counters_values *_Nonnull values);

#ifdef __cplusplus
}
#endif
