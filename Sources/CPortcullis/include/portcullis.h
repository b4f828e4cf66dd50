/*
 * portcullis.h: the embeddable interface of Portcullis. This header is the specification.
 *
 * A host (a proxy, mostly) opens an ENGINE on policy files, makes one READER for each of its threads, opens a CONNECTION on a reader for
 * each connection that it accepts, and CHECKS requests on it. What is constant on a connection (the peer, addresses, the server name, the
 * workload) is given once, with the connection; each request adds only the rest.
 *
 *     portcullis_engine ── portcullis_reader (one a thread) ── portcullis_connection ── portcullis_check
 *
 * THE RULE FOR HOSTS. Let a request pass if and only if `decision.outcome == PORTCULLIS_ALLOW`. Zero is deny. Every function that takes a
 * decision resets it first, so that after an error it says deny. Outcome `PORTCULLIS_UNDECIDED` is a denial too: the answer really depends
 * on something that the host did not say.
 *
 * UNKNOWN IS NOT ABSENT. What is left zero is unknown. A rule that tests an unknown attribute makes the outcome undecided, never a match
 * and never a miss. Say that something is absent where it is absent (an anonymous peer, no header, no token, no server name).
 *
 * BYTES. Attributes of requests are bytes, compared as bytes; they need not be UTF-8. They are borrowed for the length of the call and
 * never written to. In `portcullis_bytes` a null `data` means unknown (its `size` must be 0), and a `data` that is not null with size 0 is
 * an empty value. Texts of options are NUL-terminated UTF-8. Unless said otherwise a text of a request may hold at most 1 MiB, all texts of
 * one request together 16 MiB, and a list at most 65,536 elements; more is refused.
 *
 * ERRORS. Functions return a `portcullis_status`; 0 is success. No input makes the library abort the process: null pointers, unknown
 * values of enumerations, unknown bits, wrong struct sizes and, as far as it can be seen, handles that were closed or are something else
 * are refused with a status, and with a decision that says deny. Seeing a stale handle is a help for finding defects, not a promise:
 * memory of handles is used again. PORTCULLIS_SYSTEM is rare: where the system has no memory, Swift ends the process; only a text or a
 * thread that cannot be had is reported.
 *
 * THREADS. Functions on an engine may be called from any thread at any time, but `portcullis_engine_close` only when no other call on the
 * engine is under way or still to come. A reader and all connections that were opened on it belong together and are used by one thread at
 * a time; a second thread that comes meanwhile gets PORTCULLIS_BUSY and a denial. A check takes no lock but for the moment in which its
 * reader takes up newer policies, and waits for no compiling. Readers share the policies, which do not change, and counts of who uses them.
 * The functions without a handle may be called from any thread. Only PORTCULLIS_WATCH makes threads; all else is done on the caller's.
 *
 * MEMORY. `portcullis_check` allocates nothing for a request whose like its connection and its reader have seen, except: in the first check
 * after the policies changed, or of a workload that its reader has not met under them; for a request of more than 256 KiB, or of more than
 * 1,024 headers that rules test, claims or entries of metadata, whose memory is given back; and where RequestAuthentications split or hide
 * claims. Policies that were replaced are freed once no reader has them: within about a second on the watcher's thread, or without
 * PORTCULLIS_WATCH by the next `portcullis_engine_reload`, `_generation` or `_describe`; never by a check, and connections without traffic
 * keep nothing of them. Memory that the caller must free is given as `char **`, and is freed by `portcullis_text_free` and by nothing else.
 *
 * UNLOADING. The library stays in the process: `dlclose` does nothing.
 *
 * GROWTH. The structs with a `struct_size` may grow at their end. Set `struct_size` to `sizeof` the struct (the `…_init` functions do); a
 * host that was compiled with an older header passes a smaller size, and what its struct lacks counts as zero. A size that this library
 * does not know, such as a larger one, is refused with PORTCULLIS_BAD_STRUCT_SIZE. The structs without it never change. Numbers of
 * enumerations never change their meaning.
 *
 * Plain C11, and valid C++11.
 */
#ifndef PORTCULLIS_H
#define PORTCULLIS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The number of this interface. It changes only when a host must be compiled again; the name of the shared library carries it. */
#define PORTCULLIS_ABI_VERSION 1

/* ---- Status ---------------------------------------------------------------------------------------------------------------------- */

typedef int32_t portcullis_status;
enum {
  PORTCULLIS_OK = 0,
  PORTCULLIS_BAD_ARGUMENT = 1, /* An argument is null where it must not be, is of an unknown value, too long, or contradicts another. */
  PORTCULLIS_BAD_STRUCT_SIZE = 2, /* `struct_size` is none that this library knows. */
  PORTCULLIS_BAD_HANDLE = 3, /* A handle is null, was closed, or is of another kind. */
  PORTCULLIS_CLOSED = 4, /* The reader or the engine under a handle was closed, or a reset of the connection failed. */
  PORTCULLIS_BUSY = 5, /* Another thread uses the reader. */
  PORTCULLIS_BAD_SOURCES = 6, /* The policy files or the mesh's settings have errors, or cannot be read; the message lists them. */
  PORTCULLIS_BAD_STATE = 7, /* The engine cannot do this as it was opened. */
  PORTCULLIS_SYSTEM = 8 /* The system gave no thread, or no memory for a text. */
};

/* ---- Bytes, header lines, addresses, entries (these structs never change) ---------------------------------------------------------- */

/* Borrowed bytes. `data` null: unknown, and `size` is 0. */
typedef struct portcullis_bytes {
  const char *data;
  size_t size;
} portcullis_bytes;

/* One header line. Four words in this order, as Envoy's dynamic modules lend them: such an array can be passed as it is. */
typedef struct portcullis_header {
  portcullis_bytes name;
  portcullis_bytes value;
} portcullis_header;

enum {
  /* The address is not known, nor its port, which must be 0. */
  PORTCULLIS_ADDRESS_UNKNOWN = 0,
  /* `bytes` is the text of an IPv4 or IPv6 address, without brackets, zone and port. */
  PORTCULLIS_ADDRESS_TEXT = 1,
  /* `bytes` is text with a port behind it: `10.0.0.1:80`, `[fd00::1]:80`. `port` must be 0. */
  PORTCULLIS_ADDRESS_TEXT_WITH_PORT = 2,
  /* `bytes` are the 4 bytes of an IPv4 address or the 16 of an IPv6 address, in network order. */
  PORTCULLIS_ADDRESS_BINARY = 3,
  /* Known, and not an IP address: a unix socket, a listener inside the proxy. No block contains it. `bytes` is not looked at. */
  PORTCULLIS_ADDRESS_NOT_IP = 4
};

/* An address. `port` is 0 where there is none or it does not matter. IPv4 and IPv6 never match each other, nor does IPv4 match `::ffff:`. */
typedef struct portcullis_address {
  int32_t kind;
  uint32_t port;
  portcullis_bytes bytes;
} portcullis_address;

/* One string of a token's claims or of a proxy's metadata, and the names that lead to it, outermost first. A list of strings is one entry
 * for each of its elements, with `is_list_element` 1. Numbers, truth values and nulls are never matched by a rule and need no entry. */
typedef struct portcullis_entry {
  const portcullis_bytes *path; /* 1 to 16 names */
  size_t path_count;
  portcullis_bytes value;
  int32_t is_list_element; /* 0 or 1 */
  uint32_t reserved;       /* 0 */
} portcullis_entry;

/* ---- Decisions --------------------------------------------------------------------------------------------------------------------- */

enum {
  PORTCULLIS_DENY = 0,
  PORTCULLIS_ALLOW = 1,
  PORTCULLIS_UNDECIDED = 2 /* A denial, because something that the answer depends on is not known. */
};

/* What the policies in dry run would have done. */
enum {
  PORTCULLIS_DRY_RUN_NONE = 0, /* None of the workload's policies is in dry run. */
  PORTCULLIS_DRY_RUN_DENY = 1,
  PORTCULLIS_DRY_RUN_ALLOW = 2,
  PORTCULLIS_DRY_RUN_UNDECIDED = 3
};

/* Why. The texts are those of docs/reasons.md; `portcullis_reason_code` and `portcullis_reason_explanation` have them. */
enum {
  PORTCULLIS_REASON_INTERNAL_ERROR = 0, PORTCULLIS_REASON_BAD_HINT = 1,
  PORTCULLIS_REASON_WRONG_WORKLOAD = 2, PORTCULLIS_REASON_UNKNOWN_WORKLOAD = 3,
  PORTCULLIS_REASON_AMBIGUOUS_WORKLOAD = 4, PORTCULLIS_REASON_UNSUPPORTED_PROFILE = 5,
  PORTCULLIS_REASON_PEER_CERTIFICATE_REJECTED = 6, PORTCULLIS_REASON_PEER_CERTIFICATE_MISSING = 7,
  PORTCULLIS_REASON_PEER_IDENTITY_TOO_LONG = 8, PORTCULLIS_REASON_POLICY_UNUSABLE = 9,
  PORTCULLIS_REASON_UNKNOWN_SERVICE = 10, PORTCULLIS_REASON_MTLS_REQUIRED = 11,
  PORTCULLIS_REASON_UNTRUSTED_DOMAIN = 12, PORTCULLIS_REASON_TOKEN_REQUIRED = 13,
  PORTCULLIS_REASON_TOKEN_REJECTED = 14, PORTCULLIS_REASON_CUSTOM_PROVIDER_UNUSABLE = 15,
  PORTCULLIS_REASON_DENIED_BY_POLICY = 16, PORTCULLIS_REASON_NO_ALLOW_MATCHED = 17,
  PORTCULLIS_REASON_ALLOWED_BY_POLICY = 18, PORTCULLIS_REASON_ALLOWED_BY_DEFAULT = 19,
  PORTCULLIS_REASON_CUSTOM_PROVIDER = 20, PORTCULLIS_REASON_UNKNOWN_PEER = 21,
  PORTCULLIS_REASON_UNKNOWN_PORT = 22, PORTCULLIS_REASON_UNKNOWN_SOURCE_IP = 23,
  PORTCULLIS_REASON_UNKNOWN_REMOTE_IP = 24, PORTCULLIS_REASON_UNKNOWN_DESTINATION_IP = 25,
  PORTCULLIS_REASON_UNKNOWN_SNI = 26, PORTCULLIS_REASON_UNKNOWN_METHOD = 27,
  PORTCULLIS_REASON_UNKNOWN_HOST = 28, PORTCULLIS_REASON_UNKNOWN_PATH = 29,
  PORTCULLIS_REASON_PATH_NOT_NORMALIZED = 30, PORTCULLIS_REASON_UNKNOWN_HEADERS = 31,
  PORTCULLIS_REASON_AMBIGUOUS_HEADER = 32, PORTCULLIS_REASON_UNKNOWN_CLAIMS = 33,
  PORTCULLIS_REASON_UNKNOWN_METADATA = 34
};

/* What was decided. Filled by `portcullis_check`; the host sets `struct_size` only. */
typedef struct portcullis_decision {
  uint32_t struct_size;
  int32_t outcome; /* PORTCULLIS_DENY, _ALLOW, _UNDECIDED */
  int32_t reason;  /* PORTCULLIS_REASON_… */
  int32_t dry_run; /* PORTCULLIS_DRY_RUN_… */
  /* The reason's code, such as `denied-by-policy`. Static, never null. */
  const char *reason_code;
  /* After an error, what was wrong, as one line; else null. Static. */
  const char *error;
  /* The hash of the policies and settings that decided, equal in every process that has loaded the same: 16 hexadecimal digits and a NUL;
   * an empty text when nothing decided. */
  char snapshot[24];
  /* Hosts that need no more may end here: PORTCULLIS_DECISION_SIZE_BASIC. */

  /* The rule that decided, `ns[N]-policy[P]-rule[i]`; size 0 when no rule did. This and the next two are never null after a check, end with
   * a NUL behind `size` bytes, and are lent until the next call on the same reader or any of its connections. */
  portcullis_bytes policy;
  /* The rule of a policy in dry run that matched. */
  portcullis_bytes dry_run_policy;
  /* The first AUDIT rule that matched. */
  portcullis_bytes audit_policy;
} portcullis_decision;

#define PORTCULLIS_DECISION_SIZE_BASIC offsetof(portcullis_decision, policy)

/* ---- An engine: policies, compiled and perhaps watched ---------------------------------------------------------------------------------- */

typedef struct portcullis_engine portcullis_engine;

enum {
  /* Watch the files, and decide by what they say as soon as they have settled. One thread (a second one with `mesh_config`), which blocks
   * all signals but those of its own faults. An object that becomes broken keeps its last good version. Without this bit only
   * `portcullis_engine_reload` reads again. */
  PORTCULLIS_WATCH = 1,
  /* With PORTCULLIS_WATCH: compare the files every second, for file systems whose kernel reports no changes. */
  PORTCULLIS_POLL = 2,
  /* Decide objects that Istio's webhook would refuse as Istio does at run time, instead of refusing them. */
  PORTCULLIS_LENIENT = 4,
  /* Accept a set without any AuthorizationPolicy, which allows everything. */
  PORTCULLIS_ALLOW_EMPTY = 8,
  /* The CUSTOM policies of one workload may name several providers; otherwise all their rules deny. */
  PORTCULLIS_SEVERAL_CUSTOM_PROVIDERS = 16,
  /* Only tokens count that an attached RequestAuthentication accepts. Otherwise claims count as the host verified them. */
  PORTCULLIS_REQUEST_AUTHENTICATION = 32
};

/* The kind of proxy that asks: which policies attach, and which gates stand, depends on it. */
enum {
  /* In options: sidecar. In a connection: as the engine's options say. */
  PORTCULLIS_PROFILE_DEFAULT = 0,
  PORTCULLIS_PROFILE_SIDECAR = 1,
  /* PeerAuthentication does not apply to a gateway's servers. */
  PORTCULLIS_PROFILE_GATEWAY = 2,
  /* The connection says which `service` is addressed. Policies see no source address: HBONE ends at another listener. */
  PORTCULLIS_PROFILE_WAYPOINT = 3,
  /* ztunnel reads policies otherwise than Envoy: an engine is opened for it, and all its connections are ztunnel's. */
  PORTCULLIS_PROFILE_ZTUNNEL = 4
};

/* What the host does to paths before policies see them (Istio: `pathNormalization`). */
enum {
  /* As `mesh_config` says; BASE without it. */
  PORTCULLIS_NORMALIZATION_DEFAULT = 0,
  PORTCULLIS_NORMALIZATION_NONE = 1,
  PORTCULLIS_NORMALIZATION_BASE = 2,
  PORTCULLIS_NORMALIZATION_MERGE_SLASHES = 3,
  PORTCULLIS_NORMALIZATION_DECODE_AND_MERGE_SLASHES = 4
};

/* How an engine is opened. All texts are copied. A field of the mesh's settings wins over `mesh_config`, which wins over Istio's default. */
typedef struct portcullis_options {
  uint32_t struct_size;
  uint32_t flags; /* bits of PORTCULLIS_WATCH and so on */
  /* Files and directories (with all below them) of Kubernetes YAML or JSON: policies, and the workloads they select. At least one. Files
   * must be complete whenever they are read: replace them by renaming. As a help against half of one, opening and reloading wait until what
   * changed has stood still for 50 ms, and fail when that does not happen within 2 s. */
  const char *const *paths;
  size_t path_count;
  /* A MeshConfig, or Istio's ConfigMap that holds it; null for none. Watched with the rest. */
  const char *mesh_config;
  /* `cluster.local` by default. */
  const char *trust_domain;
  const char *const *trust_domain_aliases;
  size_t trust_domain_alias_count;
  /* Further trust domains whose peers mutual TLS takes; policies do not know them. */
  const char *const *accepted_trust_domains;
  size_t accepted_trust_domain_count;
  /* The namespace whose policies apply to all; `istio-system` by default. */
  const char *root_namespace;
  /* Providers of CUSTOM rules that the host asks itself: their rules add no denial here. */
  const char *const *delegated_providers;
  size_t delegated_provider_count;
  /* `namespace/name` or `namespace/kind/name`: the workload of connections that name none. Null: each connection names its own. */
  const char *workload;
  int32_t path_normalization; /* PORTCULLIS_NORMALIZATION_… */
  int32_t profile;            /* PORTCULLIS_PROFILE_… */
} portcullis_options;

/* Loads, compiles, and with PORTCULLIS_WATCH starts watching. Blocks: 100,000 policies take seconds.
 * On success `*engine` is the engine. On failure it is null and, where `message` is not null, `*message` is a text of one or several
 * lines that says all that is wrong (or null, without memory); free it. On success `*message` is null, or lists warnings.
 * After `fork` an engine serves the parent only. */
portcullis_status portcullis_engine_open(const portcullis_options *options, portcullis_engine **engine, char **message);

/* Reads all files again, now, and decides by them once they are read: all of it or, when there is an error, nothing (the policies before
 * stay in force; PORTCULLIS_BAD_SOURCES). PORTCULLIS_BAD_STATE for an engine that watches. `message` as above. Blocks. */
portcullis_status portcullis_engine_reload(portcullis_engine *engine, char **message);

/* The state as text for people: first line `current`, or `stale` when what is in force is not what the files say (of an engine that does not
 * watch: `current as of the last reading`, because it does not know what they say now), with the snapshot's hash and counts; then what is
 * stale and why, and all findings in the files. `*text` is to be freed. */
portcullis_status portcullis_engine_describe(portcullis_engine *engine, char **text);

/* A number that grows with every change of what `portcullis_engine_describe` says. Costs two atomic reads, but without PORTCULLIS_WATCH it
 * also frees policies that were replaced (see MEMORY), which takes milliseconds: ask on a thread that has them. */
portcullis_status portcullis_engine_generation(portcullis_engine *engine, uint64_t *generation);

/* Stops watching and ends the engine. Waits for a reload that is under way. Readers and connections must still be closed; until then their
 * checks are denied (PORTCULLIS_CLOSED). */
portcullis_status portcullis_engine_close(portcullis_engine *engine);

/* ---- A reader: one thread's view of an engine ------------------------------------------------------------------------------------- */

typedef struct portcullis_reader portcullis_reader;

/* A reader takes up new policies with the next check on any of its connections; until then, or until it is closed, it keeps the old ones in
 * memory. */
portcullis_status portcullis_reader_open(portcullis_engine *engine, portcullis_reader **reader);

/* Closes a reader. Checks on its connections, which must still be closed, are then denied (PORTCULLIS_CLOSED). */
portcullis_status portcullis_reader_close(portcullis_reader *reader);

/* ---- A connection: what does not change from request to request ------------------------------------------------------------------- */

typedef struct portcullis_connection portcullis_connection;

/* Who is at the other end. */
enum {
  /* Not known: a rule that tests the peer makes the outcome undecided. */
  PORTCULLIS_PEER_UNKNOWN = 0,
  /* Nobody: plaintext, or TLS without a client certificate. Anonymity satisfies every `notPrincipals`: say it only where it is so. */
  PORTCULLIS_PEER_ANONYMOUS = 1,
  /* `peer` is the certificate that the host has verified, as DER. Its URI names, DNS names and subject are the peer's identities. */
  PORTCULLIS_PEER_CERTIFICATE_DER = 2,
  /* The same as one block of PEM. */
  PORTCULLIS_PEER_CERTIFICATE_PEM = 3,
  /* The same as percent-encoded PEM, as Envoy writes certificates. */
  PORTCULLIS_PEER_CERTIFICATE_URL_ENCODED_PEM = 4,
  /* `peer` is the one URI name of a certificate that the host has verified. */
  PORTCULLIS_PEER_URI = 5,
  /* `uris`, `dns_names` and `subject` are all names of a certificate that the host has verified; not all three are empty. */
  PORTCULLIS_PEER_NAMES = 6
};

/* What is constant on a connection. Everything is copied. */
typedef struct portcullis_connection_facts {
  uint32_t struct_size;
  int32_t profile; /* PORTCULLIS_PROFILE_… */
  /* The workload that is called, `namespace/name` or `namespace/kind/name` of a loaded manifest; of a waypoint also its Gateway. Null: the
   * engine's, unless `workload_namespace` and `workload_labels` say it. */
  portcullis_bytes workload;
  /* Instead of a name: the namespace of the workload and its labels, `k=v,k=v`; empty labels are none. Both or neither. The namespace must
   * be one that a loaded object is in, or is. */
  portcullis_bytes workload_namespace;
  portcullis_bytes workload_labels;
  /* At a waypoint: `namespace/name`, `namespace/serviceentry/name`, or `none` for traffic to a workload's own address. Else null. */
  portcullis_bytes service;
  int32_t peer_kind; /* PORTCULLIS_PEER_… */
  /* The port that policies mean, 1 to 65535, where it is not that of `destination` (behind a Service, a listener that captures all ports).
   * 0: the port of `destination`, unless that is 15001, 15006 or 15008, which are Istio's own and mean that the port is not known. */
  uint32_t port;
  portcullis_bytes peer;
  const portcullis_bytes *uris;
  size_t uri_count;
  const portcullis_bytes *dns_names;
  size_t dns_name_count;
  /* As RFC 2253 writes it, `CN=a,O=b`. */
  portcullis_bytes subject;
  /* The connection's peer: what `source.ip` means. */
  portcullis_address source;
  /* The connection's local address: what `destination.ip` means. */
  portcullis_address destination;
  /* The client behind trusted proxies, as the host derived it: what `remote.ip` means. For all requests that say no other. A TCP connection
   * for which this is unknown has `source`. */
  portcullis_address remote;
  /* The server name of the TLS handshake. Null: not known. Size 0: there was none. */
  portcullis_bytes sni;
} portcullis_connection_facts;

/* Opens a connection. On failure `*connection` is null; where `problem` is not null, `*problem` is a static line that says what is wrong, or
 * null. A connection that can only be denied (a certificate that cannot be read, a workload that nobody knows) opens: its checks say why,
 * and a workload may appear later. */
portcullis_status portcullis_connection_open(
    portcullis_reader *reader, const portcullis_connection_facts *facts, portcullis_connection **connection, const char **problem);

/* Makes a connection another one, as closing and opening would, and keeps its memory. On failure all its checks are denied
 * (PORTCULLIS_CLOSED) until it is reset with success; so they are after PORTCULLIS_BUSY. Without a certificate, labels and a service this
 * allocates nothing. */
portcullis_status portcullis_connection_reset(
    portcullis_connection *connection, const portcullis_connection_facts *facts, const char **problem);

/* Closes a connection; its reader may be closed already. Any thread may close a connection that nobody uses any more, also while another
 * thread uses the reader for others. */
portcullis_status portcullis_connection_close(portcullis_connection *connection);

/* ---- A request ---------------------------------------------------------------------------------------------------------------------- */

enum {
  PORTCULLIS_HTTP = 1,
  /* The connection itself: attributes of HTTP do not exist. Only `remote` and, from `metadata_form` on, the metadata are looked at. */
  PORTCULLIS_TCP = 2
};

enum {
  /* The path is as the host forwards it. It is looked at: if the mesh's normalization would change it, the host did not normalize it, and
   * where a rule tests paths the outcome is undecided (`path-not-normalized`). */
  PORTCULLIS_PATH_CHECKED = 0,
  /* The same without a look. */
  PORTCULLIS_PATH_TRUSTED = 1
};

enum {
  PORTCULLIS_HEADERS_UNKNOWN = 0,
  /* Every line as it came; there may be none. Lines that no rule tests may be left out. */
  PORTCULLIS_HEADERS_LINES = 1,
  /* The host joined repeated lines by commas: a tested header whose value holds a comma makes the outcome undecided. */
  PORTCULLIS_HEADERS_JOINED = 2
};

enum {
  PORTCULLIS_TOKEN_UNKNOWN = 0,
  PORTCULLIS_TOKEN_NONE = 1, /* The request has no token. */
  /* The host verified a token; `claims` are all its claims that are strings or lists of strings. `scope` and `permission` are split here. */
  PORTCULLIS_TOKEN_VERIFIED = 2
};

enum {
  PORTCULLIS_METADATA_UNKNOWN = 0,
  PORTCULLIS_METADATA_COMPLETE = 1, /* `metadata` is all that there is. */
  PORTCULLIS_METADATA_OF_FILTERS = 2 /* The metadata of `filters` is all there; of other filters nothing is known. */
};

/* What a request adds to its connection. Everything is borrowed for the length of the call. */
typedef struct portcullis_request {
  uint32_t struct_size;
  int32_t protocol; /* PORTCULLIS_HTTP or PORTCULLIS_TCP; 0 is refused */
  portcullis_bytes method; /* not empty */
  portcullis_bytes host;   /* `:authority`, with its port if it has one */
  portcullis_bytes path;   /* with its query; empty for CONNECT, which has none, and for nothing else */
  int32_t path_form;       /* PORTCULLIS_PATH_… */
  int32_t header_form;     /* PORTCULLIS_HEADERS_… */
  const portcullis_header *headers;
  size_t header_count;
  portcullis_address remote; /* unknown: the connection's */
  /* Hosts that need no more may end here: PORTCULLIS_REQUEST_SIZE_BASIC. */

  int32_t token;         /* PORTCULLIS_TOKEN_… */
  int32_t metadata_form; /* PORTCULLIS_METADATA_… */
  const portcullis_entry *claims;
  size_t claim_count;
  /* The first name of each path is the filter's. */
  const portcullis_entry *metadata;
  size_t metadata_count;
  const portcullis_bytes *filters;
  size_t filter_count;
} portcullis_request;

#define PORTCULLIS_REQUEST_SIZE_BASIC offsetof(portcullis_request, token)

/* Decides one request. Waits for nobody (see THREADS), allocates nothing (see MEMORY). After an error the decision says deny and what was
 * wrong (`error`); a decision that is null or has a wrong size cannot say anything, and of a wrong size that is at least 8 only `outcome` is
 * set. */
portcullis_status portcullis_check(
    portcullis_connection *connection, const portcullis_request *request, portcullis_decision *decision);

enum {
  PORTCULLIS_FACT_PEER = 1, PORTCULLIS_FACT_SOURCE = 2, PORTCULLIS_FACT_DESTINATION = 4, PORTCULLIS_FACT_REMOTE = 8,
  PORTCULLIS_FACT_PORT = 16, PORTCULLIS_FACT_SNI = 32, PORTCULLIS_FACT_METHOD = 64, PORTCULLIS_FACT_HOST = 128,
  PORTCULLIS_FACT_PATH = 256, PORTCULLIS_FACT_HEADERS = 512, PORTCULLIS_FACT_TOKEN = 1024, PORTCULLIS_FACT_METADATA = 2048
};

/* Which facts the answers on this connection can depend on, whatever is requested, as bits of PORTCULLIS_FACT_…: a host need not fetch the
 * others, and leaves them *unknown* (never says that they are absent). By the newest policies. A check may be by newer ones still: if these
 * test what was left out, the outcome is undecided, which is a denial; ask again, and check with all that is asked for then. Costs less than
 * a check, may be called before each, and on failure sets all bits. */
portcullis_status portcullis_tested_facts(portcullis_connection *connection, uint32_t *facts);

/* Decides one request and says why, as text for people: the decision, every policy and rule that applies, and of each rule that did not match
 * the first constraint that failed. `*text` is to be freed. Slow: it reads all policies. Waits while policies are being compiled. */
portcullis_status portcullis_explain(portcullis_connection *connection, const portcullis_request *request, char **text);

/* ---- Names and texts ------------------------------------------------------------------------------------------------------------------ */

/* PORTCULLIS_ABI_VERSION of the library. */
uint32_t portcullis_abi_version(void);
/* The library's version, `1.2.3`. Static. */
const char *portcullis_version(void);
/* What a status means, as one line. Static, never null. */
const char *portcullis_status_text(portcullis_status status);
/* `deny`, `allow`, `undecided`; null for any other number. Static. */
const char *portcullis_outcome_name(int32_t outcome);
/* The code of a reason, such as `denied-by-policy`; null for a number that is none. Static. */
const char *portcullis_reason_code(int32_t reason);
/* One line that explains a reason; null for a number that is none. Static. */
const char *portcullis_reason_explanation(int32_t reason);
/* Frees a text that this library gave. Null is fine. */
void portcullis_text_free(char *text);

/* ---- Structs with everything unknown ------------------------------------------------------------------------------------------------- */

/* `portcullis_options_init()` and so on. */
#define PORTCULLIS_DEFINE_INIT(type)        \
  static inline type type##_init(void) {    \
    type value;                             \
    memset(&value, 0, sizeof value);        \
    value.struct_size = (uint32_t)sizeof value; \
    return value;                           \
  }
PORTCULLIS_DEFINE_INIT(portcullis_options)
PORTCULLIS_DEFINE_INIT(portcullis_connection_facts)
PORTCULLIS_DEFINE_INIT(portcullis_request)
PORTCULLIS_DEFINE_INIT(portcullis_decision)
#undef PORTCULLIS_DEFINE_INIT

/* A NUL-terminated text as bytes; null stays unknown. */
static inline portcullis_bytes portcullis_text(const char *text) {
  portcullis_bytes value;
  value.data = text;
  value.size = text == NULL ? 0 : strlen(text);
  return value;
}

#ifdef __cplusplus
}
#endif

#endif
