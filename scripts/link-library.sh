#!/usr/bin/env bash
# Links libportcullis.so from the archive that SwiftPM builds. usage: link-library.sh ARCHIVE OUTPUT
# The Swift runtime, libcrypto and libyaml go into the library: a host needs none of them, and none of its own copies (a BoringSSL, say) is
# mistaken for them, because nothing is exported but the interface (scripts/portcullis.map). Fails when that is not so. Neither SwiftPM nor
# swiftc does this by itself: both hide what a static archive exports.
set -euo pipefail
scripts=$(cd "$(dirname "$0")" && pwd)
archive=${1:?archive} output=${2:?output}
header=$scripts/../Sources/CPortcullis/include/portcullis.h
abi=$(sed -n 's/^#define PORTCULLIS_ABI_VERSION \([0-9]*\)$/\1/p' "$header")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Where the toolchain keeps its static runtime, and its own clang and linker.
runtime=$(swiftc -print-target-info -static-stdlib | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
tools=$runtime/../../bin

# A directory that is searched first and holds only archives, so that `-lcrypto` means libcrypto.a.
for name in crypto yaml; do
  found=$("$tools/clang" -print-file-name="lib$name.a")
  [ -e "$found" ] || { echo "link-library: there is no lib$name.a" >&2; exit 1; }
  ln -s "$found" "$work/lib$name.a"
done

# What the objects ask to be linked with.
"$tools/swift-autolink-extract" "$archive" -o "$work/autolink"
"$tools/clang" -shared -fuse-ld=lld -o "$output" \
  "$runtime/linux/$(uname -m)/swiftrt.o" \
  -Wl,--whole-archive "$archive" -Wl,--no-whole-archive \
  -L "$work" -L "$runtime/linux" "@$work/autolink" -lswiftCore -ldispatch -lBlocksRuntime -lstdc++ -lm -ldl -lpthread \
  -Wl,-soname="libportcullis.so.$abi",--version-script="$scripts/portcullis.map" \
  -Wl,--gc-sections,-z,nostart-stop-gc,-z,defs,-z,relro,-z,now,-s

exported=$(nm -D --defined-only "$output" | awk '{ print $NF }')
declared=$(grep -o '\bportcullis_[a-z_]*(' "$header" | tr -d '(' | grep -v '_init$' | grep -vx portcullis_text | sort -u)
needed=$(readelf -d "$output" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+|ld-linux.*)\.so' || true)
if [ "$(sort <<< "$exported")" != "$declared" ] || [ -n "$needed" ]; then
  echo "link-library: the library exports other names than the header declares, or needs what hosts may not have (${needed:-nothing})" >&2
  diff <(sort <<< "$exported") <(echo "$declared") >&2 || true
  exit 1
fi
