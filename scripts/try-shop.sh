#!/usr/bin/env bash
# Prints what to try while `make run` serves the shop. usage: try-shop.sh COMMAND LISTEN
set -euo pipefail
command=${1:?command} listen=${2:?address}
cat <<HELP

Portcullis serves examples/shop on $listen. In another terminal:

  $command check --policies examples/shop --from shop/frontend-sa --to shop/backend    # allowed
  $command check --policies examples/shop --from shop/frontend-sa --to shop/db         # denied

The same through real Envoys:

  make envoy                                          # starts three sidecars that ask this server
  curl http://127.0.0.1:15001/ -H 'host: backend'     # the frontend calls the backend: hello from backend
  curl http://127.0.0.1:15001/ -H 'host: db'          # the frontend calls the database: RBAC: access denied

Edit examples/shop/policies.yaml and ask again: the server sees the change. Ctrl-C stops it.

HELP
