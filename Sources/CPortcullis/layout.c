/* The layout and the numbers of the interface, held still. Hosts that are compiled with this header run with later libraries, so nothing here may change but
 * by growth at the end of a struct that says its size. A line that fails is a break of the interface, not a number to be corrected. */
#include "portcullis.h"

#if UINTPTR_MAX == UINT64_MAX

#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has another size")
#define AT(type, field, offset) _Static_assert(offsetof(type, field) == (offset), #type "." #field " has moved")

SIZE(portcullis_bytes, 16);
AT(portcullis_bytes, data, 0);
AT(portcullis_bytes, size, 8);

SIZE(portcullis_header, 32);
AT(portcullis_header, name, 0);
AT(portcullis_header, value, 16);

SIZE(portcullis_address, 24);
AT(portcullis_address, kind, 0);
AT(portcullis_address, port, 4);
AT(portcullis_address, bytes, 8);

SIZE(portcullis_entry, 40);
AT(portcullis_entry, path, 0);
AT(portcullis_entry, path_count, 8);
AT(portcullis_entry, value, 16);
AT(portcullis_entry, is_list_element, 32);
AT(portcullis_entry, reserved, 36);

SIZE(portcullis_decision, 104);
_Static_assert(PORTCULLIS_DECISION_SIZE_BASIC == 56, "the basic decision has another size");
AT(portcullis_decision, struct_size, 0);
AT(portcullis_decision, outcome, 4);
AT(portcullis_decision, reason, 8);
AT(portcullis_decision, dry_run, 12);
AT(portcullis_decision, reason_code, 16);
AT(portcullis_decision, error, 24);
AT(portcullis_decision, snapshot, 32);
AT(portcullis_decision, policy, 56);
AT(portcullis_decision, dry_run_policy, 72);
AT(portcullis_decision, audit_policy, 88);

SIZE(portcullis_options, 112);
AT(portcullis_options, struct_size, 0);
AT(portcullis_options, flags, 4);
AT(portcullis_options, paths, 8);
AT(portcullis_options, path_count, 16);
AT(portcullis_options, mesh_config, 24);
AT(portcullis_options, trust_domain, 32);
AT(portcullis_options, trust_domain_aliases, 40);
AT(portcullis_options, trust_domain_alias_count, 48);
AT(portcullis_options, accepted_trust_domains, 56);
AT(portcullis_options, accepted_trust_domain_count, 64);
AT(portcullis_options, root_namespace, 72);
AT(portcullis_options, delegated_providers, 80);
AT(portcullis_options, delegated_provider_count, 88);
AT(portcullis_options, workload, 96);
AT(portcullis_options, path_normalization, 104);
AT(portcullis_options, profile, 108);

SIZE(portcullis_connection_facts, 232);
AT(portcullis_connection_facts, struct_size, 0);
AT(portcullis_connection_facts, profile, 4);
AT(portcullis_connection_facts, workload, 8);
AT(portcullis_connection_facts, workload_namespace, 24);
AT(portcullis_connection_facts, workload_labels, 40);
AT(portcullis_connection_facts, service, 56);
AT(portcullis_connection_facts, peer_kind, 72);
AT(portcullis_connection_facts, port, 76);
AT(portcullis_connection_facts, peer, 80);
AT(portcullis_connection_facts, uris, 96);
AT(portcullis_connection_facts, uri_count, 104);
AT(portcullis_connection_facts, dns_names, 112);
AT(portcullis_connection_facts, dns_name_count, 120);
AT(portcullis_connection_facts, subject, 128);
AT(portcullis_connection_facts, source, 144);
AT(portcullis_connection_facts, destination, 168);
AT(portcullis_connection_facts, remote, 192);
AT(portcullis_connection_facts, sni, 216);

SIZE(portcullis_request, 160);
_Static_assert(PORTCULLIS_REQUEST_SIZE_BASIC == 104, "the basic request has another size");
AT(portcullis_request, struct_size, 0);
AT(portcullis_request, protocol, 4);
AT(portcullis_request, method, 8);
AT(portcullis_request, host, 24);
AT(portcullis_request, path, 40);
AT(portcullis_request, path_form, 56);
AT(portcullis_request, header_form, 60);
AT(portcullis_request, headers, 64);
AT(portcullis_request, header_count, 72);
AT(portcullis_request, remote, 80);
AT(portcullis_request, token, 104);
AT(portcullis_request, metadata_form, 108);
AT(portcullis_request, claims, 112);
AT(portcullis_request, claim_count, 120);
AT(portcullis_request, metadata, 128);
AT(portcullis_request, metadata_count, 136);
AT(portcullis_request, filters, 144);
AT(portcullis_request, filter_count, 152);

#endif

/* Numbers that hosts were compiled with. */
#define IS(name, number) _Static_assert(name == (number), #name " has another number")

IS(PORTCULLIS_OK, 0);
IS(PORTCULLIS_BAD_ARGUMENT, 1);
IS(PORTCULLIS_BAD_STRUCT_SIZE, 2);
IS(PORTCULLIS_BAD_HANDLE, 3);
IS(PORTCULLIS_CLOSED, 4);
IS(PORTCULLIS_BUSY, 5);
IS(PORTCULLIS_BAD_SOURCES, 6);
IS(PORTCULLIS_BAD_STATE, 7);
IS(PORTCULLIS_SYSTEM, 8);

IS(PORTCULLIS_ADDRESS_UNKNOWN, 0);
IS(PORTCULLIS_ADDRESS_TEXT, 1);
IS(PORTCULLIS_ADDRESS_TEXT_WITH_PORT, 2);
IS(PORTCULLIS_ADDRESS_BINARY, 3);
IS(PORTCULLIS_ADDRESS_NOT_IP, 4);

IS(PORTCULLIS_DENY, 0);
IS(PORTCULLIS_ALLOW, 1);
IS(PORTCULLIS_UNDECIDED, 2);

IS(PORTCULLIS_DRY_RUN_NONE, 0);
IS(PORTCULLIS_DRY_RUN_DENY, 1);
IS(PORTCULLIS_DRY_RUN_ALLOW, 2);
IS(PORTCULLIS_DRY_RUN_UNDECIDED, 3);

IS(PORTCULLIS_REASON_INTERNAL_ERROR, 0);
IS(PORTCULLIS_REASON_BAD_HINT, 1);
IS(PORTCULLIS_REASON_WRONG_WORKLOAD, 2);
IS(PORTCULLIS_REASON_UNKNOWN_WORKLOAD, 3);
IS(PORTCULLIS_REASON_AMBIGUOUS_WORKLOAD, 4);
IS(PORTCULLIS_REASON_UNSUPPORTED_PROFILE, 5);
IS(PORTCULLIS_REASON_PEER_CERTIFICATE_REJECTED, 6);
IS(PORTCULLIS_REASON_PEER_CERTIFICATE_MISSING, 7);
IS(PORTCULLIS_REASON_PEER_IDENTITY_TOO_LONG, 8);
IS(PORTCULLIS_REASON_POLICY_UNUSABLE, 9);
IS(PORTCULLIS_REASON_UNKNOWN_SERVICE, 10);
IS(PORTCULLIS_REASON_MTLS_REQUIRED, 11);
IS(PORTCULLIS_REASON_UNTRUSTED_DOMAIN, 12);
IS(PORTCULLIS_REASON_TOKEN_REQUIRED, 13);
IS(PORTCULLIS_REASON_TOKEN_REJECTED, 14);
IS(PORTCULLIS_REASON_CUSTOM_PROVIDER_UNUSABLE, 15);
IS(PORTCULLIS_REASON_DENIED_BY_POLICY, 16);
IS(PORTCULLIS_REASON_NO_ALLOW_MATCHED, 17);
IS(PORTCULLIS_REASON_ALLOWED_BY_POLICY, 18);
IS(PORTCULLIS_REASON_ALLOWED_BY_DEFAULT, 19);
IS(PORTCULLIS_REASON_CUSTOM_PROVIDER, 20);
IS(PORTCULLIS_REASON_UNKNOWN_PEER, 21);
IS(PORTCULLIS_REASON_UNKNOWN_PORT, 22);
IS(PORTCULLIS_REASON_UNKNOWN_SOURCE_IP, 23);
IS(PORTCULLIS_REASON_UNKNOWN_REMOTE_IP, 24);
IS(PORTCULLIS_REASON_UNKNOWN_DESTINATION_IP, 25);
IS(PORTCULLIS_REASON_UNKNOWN_SNI, 26);
IS(PORTCULLIS_REASON_UNKNOWN_METHOD, 27);
IS(PORTCULLIS_REASON_UNKNOWN_HOST, 28);
IS(PORTCULLIS_REASON_UNKNOWN_PATH, 29);
IS(PORTCULLIS_REASON_PATH_NOT_NORMALIZED, 30);
IS(PORTCULLIS_REASON_UNKNOWN_HEADERS, 31);
IS(PORTCULLIS_REASON_AMBIGUOUS_HEADER, 32);
IS(PORTCULLIS_REASON_UNKNOWN_CLAIMS, 33);
IS(PORTCULLIS_REASON_UNKNOWN_METADATA, 34);

IS(PORTCULLIS_WATCH, 1);
IS(PORTCULLIS_POLL, 2);
IS(PORTCULLIS_LENIENT, 4);
IS(PORTCULLIS_ALLOW_EMPTY, 8);
IS(PORTCULLIS_SEVERAL_CUSTOM_PROVIDERS, 16);
IS(PORTCULLIS_REQUEST_AUTHENTICATION, 32);

IS(PORTCULLIS_PROFILE_DEFAULT, 0);
IS(PORTCULLIS_PROFILE_SIDECAR, 1);
IS(PORTCULLIS_PROFILE_GATEWAY, 2);
IS(PORTCULLIS_PROFILE_WAYPOINT, 3);
IS(PORTCULLIS_PROFILE_ZTUNNEL, 4);

IS(PORTCULLIS_NORMALIZATION_DEFAULT, 0);
IS(PORTCULLIS_NORMALIZATION_NONE, 1);
IS(PORTCULLIS_NORMALIZATION_BASE, 2);
IS(PORTCULLIS_NORMALIZATION_MERGE_SLASHES, 3);
IS(PORTCULLIS_NORMALIZATION_DECODE_AND_MERGE_SLASHES, 4);

IS(PORTCULLIS_PEER_UNKNOWN, 0);
IS(PORTCULLIS_PEER_ANONYMOUS, 1);
IS(PORTCULLIS_PEER_CERTIFICATE_DER, 2);
IS(PORTCULLIS_PEER_CERTIFICATE_PEM, 3);
IS(PORTCULLIS_PEER_CERTIFICATE_URL_ENCODED_PEM, 4);
IS(PORTCULLIS_PEER_URI, 5);
IS(PORTCULLIS_PEER_NAMES, 6);

IS(PORTCULLIS_HTTP, 1);
IS(PORTCULLIS_TCP, 2);

IS(PORTCULLIS_PATH_CHECKED, 0);
IS(PORTCULLIS_PATH_TRUSTED, 1);

IS(PORTCULLIS_HEADERS_UNKNOWN, 0);
IS(PORTCULLIS_HEADERS_LINES, 1);
IS(PORTCULLIS_HEADERS_JOINED, 2);

IS(PORTCULLIS_FACT_PEER, 1);
IS(PORTCULLIS_FACT_SOURCE, 2);
IS(PORTCULLIS_FACT_DESTINATION, 4);
IS(PORTCULLIS_FACT_REMOTE, 8);
IS(PORTCULLIS_FACT_PORT, 16);
IS(PORTCULLIS_FACT_SNI, 32);
IS(PORTCULLIS_FACT_METHOD, 64);
IS(PORTCULLIS_FACT_HOST, 128);
IS(PORTCULLIS_FACT_PATH, 256);
IS(PORTCULLIS_FACT_HEADERS, 512);
IS(PORTCULLIS_FACT_TOKEN, 1024);
IS(PORTCULLIS_FACT_METADATA, 2048);

IS(PORTCULLIS_TOKEN_UNKNOWN, 0);
IS(PORTCULLIS_TOKEN_NONE, 1);
IS(PORTCULLIS_TOKEN_VERIFIED, 2);

IS(PORTCULLIS_METADATA_UNKNOWN, 0);
IS(PORTCULLIS_METADATA_COMPLETE, 1);
IS(PORTCULLIS_METADATA_OF_FILTERS, 2);
