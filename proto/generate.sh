#!/bin/sh
# Makes Sources/CExtAuthz/generated from the definitions beside this script, with protoc-c (Debian: protobuf-c-compiler).
# The result is committed. Making it again must change nothing: `proto/generate.sh && git diff --exit-code`.
set -eu
cd "$(dirname "$0")"
output=../Sources/CExtAuthz/generated
mkdir -p "$output"
rm -f "$output"/*.pb-c.c "$output"/*.pb-c.h
protoc-c --proto_path=. --c_out="$output" \
  attribute_context.proto base.proto external_auth.proto health.proto http_status.proto rpc_status.proto struct.proto
