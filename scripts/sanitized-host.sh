#!/usr/bin/env bash
# Runs a host of many threads (Tests/EmbeddedTests/threads.c) on the library's objects, both built for a sanitizer. Fails on whatever the
# sanitizer reports, and on a wrong answer.
# usage: sanitized-host.sh thread|address [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."
kind=${1:?thread or address} rounds=${2:-100}
case $kind in
  thread) scratch=.build/thread-sanitized ;;
  # The tests under the address sanitizer have built the objects already.
  address) scratch=.build/sanitized ;;
  *)
    echo "sanitized-host: neither thread nor address: $kind" >&2
    exit 2
    ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build=(swift build --product EmbeddedPortcullis --sanitize="$kind" --scratch-path "$scratch")
"${build[@]}"
archive=$("${build[@]}" --show-bin-path)/libEmbeddedPortcullis.a
clang -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -g -O1 "-fsanitize=$kind" -ISources/CPortcullis/include \
  -c Tests/EmbeddedTests/threads.c -o "$work/threads.o"
swiftc -use-ld=lld "-sanitize=$kind" "$work/threads.o" -Xlinker --whole-archive "$archive" -Xlinker --no-whole-archive -lcrypto -lyaml -o "$work/threads"
mkdir "$work/policies"
SWIFT_BACKTRACE=enable=no TSAN_OPTIONS=halt_on_error=1 timeout 120 "$work/threads" "$work/policies" "$rounds"
