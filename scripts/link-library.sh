#!/usr/bin/env bash
# Links libportcullis.so, or with `envoy` Envoy's module libportcullis_envoy.so, from the archive that SwiftPM builds.
# usage: link-library.sh ARCHIVE OUTPUT [envoy]
# The Swift runtime, libcrypto and libyaml go into the library: a host needs none of them, and none of its own copies (a BoringSSL, say) is
# mistaken for them, because nothing is exported but the interface (scripts/portcullis.map). Fails when that is not so. Neither SwiftPM nor
# swiftc does this by itself: both hide what a static archive exports.
set -euo pipefail
scripts=$(cd "$(dirname "$0")" && pwd)
archive=${1:?archive} output=${2:?output} kind=${3:-library}
case $kind in
  library)
    header=$scripts/../Sources/CPortcullis/include/portcullis.h
    abi=$(sed -n 's/^#define PORTCULLIS_ABI_VERSION \([0-9]*\)$/\1/p' "$header")
    soname=libportcullis.so.$abi map=$scripts/portcullis.map undefined=(-Wl,-z,defs)
    declared=$(grep -o '\bportcullis_[a-z_]*(' "$header" | tr -d '(' | grep -v '_init$' | grep -vx portcullis_text | sort -u)
    ;;
  envoy)
    # What Envoy offers is found when the module is loaded, all of it (`-z now`): a proxy that lacks something refuses the module at once.
    header=$scripts/../Sources/CEnvoyModule/include/envoy_module.h
    soname=libportcullis_envoy.so map=$scripts/portcullis-envoy.map undefined=()
    declared=$(grep -o '\benvoy_dynamic_module_on_[a-z_]*(' "$header" | tr -d '(' | sort -u)
    ;;
  *)
    echo "link-library: neither library nor envoy: $kind" >&2
    exit 2
    ;;
esac
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

# What the objects ask to be linked with. `nodelete`: Swift cannot be unloaded, and threads may be in the library, so `dlclose` leaves it.
"$tools/swift-autolink-extract" "$archive" -o "$work/autolink"
"$tools/clang" -shared -fuse-ld=lld -o "$output" \
  "$runtime/linux/$(uname -m)/swiftrt.o" \
  -Wl,--whole-archive "$archive" -Wl,--no-whole-archive \
  -L "$work" -L "$runtime/linux" "@$work/autolink" -lswiftCore -ldispatch -lBlocksRuntime -lstdc++ -lm -ldl -lpthread \
  -Wl,-soname="$soname",--version-script="$map" ${undefined[@]+"${undefined[@]}"} \
  -Wl,--gc-sections,-z,nostart-stop-gc,-z,relro,-z,now,-z,nodelete,-s

exported=$(nm -D --defined-only "$output" | awk '{ print $NF }')
needed=$(readelf -d "$output" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+|ld-linux.*)\.so' || true)
# What is to be found elsewhere has a version (libc and its like), is optional, or is Envoy's.
missing=$(nm -D --undefined-only "$output" | awk '$1 == "U" { print $2 }' | grep -vE '@|^envoy_dynamic_module_callback_' || true)
if [ "$(sort <<< "$exported")" != "$declared" ] || [ -n "$needed$missing" ]; then
  echo "link-library: the library exports other names than the header declares, or needs what hosts may not have: $needed $missing" >&2
  diff <(sort <<< "$exported") <(echo "$declared") >&2 || true
  exit 1
fi
