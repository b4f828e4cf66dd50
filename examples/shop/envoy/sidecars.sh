#!/usr/bin/env bash
# Starts the sidecars of the shop on loopback, in the foreground, with throw-away certificates; Ctrl-C stops them.
#
# usage: sidecars.sh [--validate]      --validate lets Envoy check the three configurations and ends
# Environment: PORTCULLIS (the command), ENVOY (the binary), ENGINE (where `portcullis serve` listens, default 127.0.0.1:9191).
#
# Ports: the frontend's application calls through 127.0.0.1:15001, the backend's through 15002, the database's through 15003.
# Inbound (mTLS): frontend 15011, backend 15012, db 15013.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
portcullis=${PORTCULLIS:-$root/.build/release/portcullis}
engine=${ENGINE:-127.0.0.1:9191}
if [ -z "${ENVOY:-}" ]; then
  for candidate in "$root"/.venv/lib/python*/site-packages/envoy/_bin/envoy; do ENVOY=$candidate; done
fi
[ -x "$portcullis" ] || { echo "sidecars.sh: no command at $portcullis: run \`make build\`, or set PORTCULLIS" >&2; exit 2; }
[ -x "$ENVOY" ] || { echo "sidecars.sh: no Envoy at $ENVOY: run \`make setup\`, or set ENVOY" >&2; exit 2; }

work=$(mktemp -d "${TMPDIR:-/tmp}/portcullis-shop.XXXXXX")
pids=()
finish() {
  for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2> /dev/null || true; done
  wait || true
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir "$work/certificates"
"$here/certificates.sh" "$work/certificates"

# Replaces each line `#EXPORT part width` by that part of the export, indented to where the line stands.
render() { # name inbound outbound
  local line part width
  while IFS= read -r line; do
    if [[ $line =~ ^\ *#EXPORT\ ([a-z-]+)\ ([0-9]+)$ ]]; then
      part=${BASH_REMATCH[1]} width=${BASH_REMATCH[2]}
      "$portcullis" export envoy-ext-authz --workload "shop/$1" --engine "$engine" --only "$part" | sed "s/^/$(printf '%*s' "$width" '')/"
    else
      printf '%s\n' "$line"
    fi
  done < "$here/sidecar.yaml.in" | sed -e "s|@NAME@|$1|g" -e "s|@ACCOUNT@|$1-sa|g" -e "s|@INBOUND@|$2|g" -e "s|@OUTBOUND@|$3|g" \
    -e "s|@BACKEND@|15012|g" -e "s|@DB@|15013|g" -e "s|@CERTIFICATES@|$work/certificates|g" > "$work/$1.yaml"
}
render frontend 15011 15001
render backend 15012 15002
render db 15013 15003

if [ "${1:-}" = --validate ]; then
  for name in frontend backend db; do "$ENVOY" --mode validate --disable-hot-restart --log-level error -c "$work/$name.yaml"; done
  exit 0
fi

for name in frontend backend db; do
  "$ENVOY" -c "$work/$name.yaml" --concurrency 1 --disable-hot-restart --log-level error --file-flush-interval-msec 200 &
  pids+=($!)
done
cat <<HELP

Three sidecars are starting; each writes a line for every request that it received, with Portcullis' answer. In another terminal:

  curl http://127.0.0.1:15001/ -H 'host: backend'     # the frontend calls the backend: hello from backend
  curl http://127.0.0.1:15001/ -H 'host: db'          # the frontend calls the database: RBAC: access denied
  curl http://127.0.0.1:15002/ -H 'host: db'          # the backend calls the database: hello from db
  curl -k https://127.0.0.1:15012/                    # nobody calls the backend: RBAC: access denied (mtls-required)

Then edit examples/shop/policies.yaml and ask again. Ctrl-C stops the sidecars.

HELP
wait -n "${pids[@]}"
echo "sidecars.sh: a sidecar ended; stopping the others" >&2
exit 1
