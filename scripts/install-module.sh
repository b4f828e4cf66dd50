#!/usr/bin/env bash
# Puts Envoy's module where ENVOY_DYNAMIC_MODULES_SEARCH_PATH may point. usage: install-module.sh MODULE PREFIX [DESTDIR]
# Envoy finds it by its name, so there is no number in it; a proxy that runs keeps the module that it has.
set -euo pipefail
module=${1:?module} prefix=${2:?prefix} root=${3:-}
case $prefix in /*) ;; *) prefix=$PWD/$prefix ;; esac

install -d "$root$prefix/lib"
install -m 755 "$module" "$root$prefix/lib/.libportcullis_envoy.so.$$"
mv -f "$root$prefix/lib/.libportcullis_envoy.so.$$" "$root$prefix/lib/libportcullis_envoy.so"
