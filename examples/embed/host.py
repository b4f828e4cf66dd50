#!/usr/bin/env python3
"""The same as host.c, from a language that knows nothing of C headers: the structs are written out once, below.

    python3 host.py libportcullis.so examples/shop shop/backend spiffe://cluster.local/ns/shop/sa/frontend-sa GET /orders

Prints the decision and why. Exit code: 0 allowed, 1 denied, 2 it could not be asked.
"""
import ctypes
import sys
from ctypes import POINTER, Structure, byref, c_char, c_char_p, c_int32, c_size_t, c_uint32, c_void_p, sizeof


class Bytes(Structure):
    _fields_ = [("data", c_char_p), ("size", c_size_t)]

    @classmethod
    def of(cls, text):
        data = text.encode()
        return cls(data, len(data))


class Address(Structure):
    _fields_ = [("kind", c_int32), ("port", c_uint32), ("bytes", Bytes)]


class Options(Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("flags", c_uint32),
        ("paths", POINTER(c_char_p)), ("path_count", c_size_t),
        ("mesh_config", c_char_p), ("trust_domain", c_char_p),
        ("trust_domain_aliases", POINTER(c_char_p)), ("trust_domain_alias_count", c_size_t),
        ("accepted_trust_domains", POINTER(c_char_p)), ("accepted_trust_domain_count", c_size_t),
        ("root_namespace", c_char_p),
        ("delegated_providers", POINTER(c_char_p)), ("delegated_provider_count", c_size_t),
        ("workload", c_char_p), ("path_normalization", c_int32), ("profile", c_int32),
    ]


class Facts(Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("profile", c_int32),
        ("workload", Bytes), ("workload_namespace", Bytes), ("workload_labels", Bytes), ("service", Bytes),
        ("peer_kind", c_int32), ("port", c_uint32), ("peer", Bytes),
        ("uris", POINTER(Bytes)), ("uri_count", c_size_t),
        ("dns_names", POINTER(Bytes)), ("dns_name_count", c_size_t), ("subject", Bytes),
        ("source", Address), ("destination", Address), ("remote", Address), ("sni", Bytes),
    ]


class Request(Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("protocol", c_int32),
        ("method", Bytes), ("host", Bytes), ("path", Bytes), ("path_form", c_int32),
        ("header_form", c_int32), ("headers", c_void_p), ("header_count", c_size_t), ("remote", Address),
        ("token", c_int32), ("metadata_form", c_int32),
        ("claims", c_void_p), ("claim_count", c_size_t),
        ("metadata", c_void_p), ("metadata_count", c_size_t), ("filters", c_void_p), ("filter_count", c_size_t),
    ]


class Decision(Structure):
    _fields_ = [
        ("struct_size", c_uint32), ("outcome", c_int32), ("reason", c_int32), ("dry_run", c_int32),
        ("reason_code", c_char_p), ("error", c_char_p), ("snapshot", c_char * 24),
        ("policy", Bytes), ("dry_run_policy", Bytes), ("audit_policy", Bytes),
    ]


ALLOW, PEER_URI, HTTP, HEADERS_LINES, TOKEN_NONE = 1, 5, 1, 1, 1


def sized(kind, **fields):
    return kind(struct_size=sizeof(kind), **fields)


def main(words):
    if len(words) != 7:
        print(f"usage: {words[0]} LIBRARY POLICIES NAMESPACE/WORKLOAD SPIFFE-URI METHOD PATH", file=sys.stderr)
        return 2
    _, path, policies, workload, peer, method, target = words
    library = ctypes.CDLL(path)
    library.portcullis_status_text.restype = c_char_p
    library.portcullis_outcome_name.restype = c_char_p
    library.portcullis_text_free.argtypes = [c_void_p]
    library.portcullis_text_free.restype = None

    def ask(name, *arguments):
        status = getattr(library, "portcullis_" + name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name}: {library.portcullis_status_text(status).decode()}")

    engine, reader, connection, message = c_void_p(), c_void_p(), c_void_p(), c_void_p()
    paths = (c_char_p * 1)(policies.encode())
    options = sized(Options, paths=paths, path_count=1, workload=workload.encode())
    try:
        ask("engine_open", byref(options), byref(engine), byref(message))
    except RuntimeError as error:
        print(error, ctypes.string_at(message).decode() if message else "", file=sys.stderr)
        return 2
    finally:
        library.portcullis_text_free(message)
    ask("reader_open", engine, byref(reader))
    facts = sized(Facts, peer_kind=PEER_URI, peer=Bytes.of(peer), port=8080)
    ask("connection_open", reader, byref(facts), byref(connection), None)
    request = sized(
        Request, protocol=HTTP, method=Bytes.of(method), path=Bytes.of(target), header_form=HEADERS_LINES, token=TOKEN_NONE)
    decision = sized(Decision)
    ask("check", connection, byref(request), byref(decision))
    by = f" by {decision.policy.data.decode()}" if decision.policy.size else ""
    print(f"{library.portcullis_outcome_name(decision.outcome).decode()} ({decision.reason_code.decode()}){by}")
    for name, handle in (("connection", connection), ("reader", reader), ("engine", engine)):
        ask(name + "_close", handle)
    return 0 if decision.outcome == ALLOW else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv))
