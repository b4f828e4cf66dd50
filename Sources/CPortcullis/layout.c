/* The layout of the interface, held still. Hosts that are compiled with this header run with later libraries, so nothing here may change but
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

_Static_assert(PORTCULLIS_DENY == 0, "the zero value of an outcome is deny");

#endif
