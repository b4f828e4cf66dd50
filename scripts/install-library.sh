#!/usr/bin/env bash
# Puts the library, its header and its pkg-config file where hosts look for them. usage: install-library.sh LIBRARY PREFIX [DESTDIR]
# The shared library is installed under the name that carries the number of the interface, with the link that linkers want.
set -euo pipefail
cd "$(dirname "$0")/.."
library=${1:?library} prefix=${2:?prefix} root=${3:-}
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac

header=Sources/CPortcullis/include/portcullis.h
abi=$(sed -n 's/^#define PORTCULLIS_ABI_VERSION \([0-9]*\)$/\1/p' "$header")
version=$(sed -n 's/^ *static let version = "\([0-9.]*\)"$/\1/p' Sources/portcullis/Portcullis.swift)
if [ -z "$abi" ] || [ -z "$version" ]; then
  echo "install-library: no version in the header or in Sources/portcullis/Portcullis.swift" >&2
  exit 1
fi

install -d "$root$prefix/include" "$root$prefix/lib/pkgconfig"
install -m 644 "$header" "$root$prefix/include/portcullis.h"
# A new file under the old name, in one step: a host that runs keeps the library that it has.
install -m 755 "$library" "$root$prefix/lib/.libportcullis.so.$version.$$"
mv -f "$root$prefix/lib/.libportcullis.so.$version.$$" "$root$prefix/lib/libportcullis.so.$version"
ln -sfn "libportcullis.so.$version" "$root$prefix/lib/libportcullis.so.$abi"
ln -sfn "libportcullis.so.$abi" "$root$prefix/lib/libportcullis.so"
sed -e "s|@PREFIX@|$prefix|" -e "s|@VERSION@|$version|" scripts/portcullis.pc.in > "$root$prefix/lib/pkgconfig/portcullis.pc"
