#!/bin/sh
# A mesh of 500 workloads in 25 namespaces, for trying the tools at a size at which nobody reads all of it: each namespace is a chain of services that
# call the next, a gateway calls the first, and one namespace in five also calls its neighbour.
#
#     examples/large/generate.sh large && portcullis graph --policies large --format html -o large.html
set -eu
to=${1:?"usage: generate.sh DIRECTORY"}
mkdir -p "$to"
awk -v workloads="$to/workloads.yaml" -v policies="$to/policies.yaml" 'BEGIN {
  for (n = 0; n < 25; n++) {
    space = sprintf("team-%02d", n)
    printf "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {istio-injection: enabled}}\n---\n", space > workloads
    printf "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: default, namespace: %s}\nspec: {mtls: {mode: %s}}\n---\n", space, n % 6 == 5 ? "PERMISSIVE" : "STRICT" > policies
    for (w = 0; w < 20; w++) {
      name = sprintf("service-%02d", w)
      printf "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: %s, namespace: %s}\nspec:\n  selector: {matchLabels: {app: %s}}\n  template:\n    metadata: {labels: {app: %s}}\n    spec: {serviceAccountName: %s, containers: [{name: %s, image: registry.example/%s/%s:1}]}\n---\n", name, space, name, name, name, name, space, name > workloads
      printf "apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec: {selector: {app: %s}, ports: [{name: http, port: 80, targetPort: 8080}]}\n---\n", name, space, name > workloads
      caller = w == 0 ? "cluster.local/ns/team-00/sa/service-00" : sprintf("cluster.local/ns/%s/sa/service-%02d", space, w - 1)
      printf "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: %s, namespace: %s}\nspec:\n  selector: {matchLabels: {app: %s}}\n  action: ALLOW\n  rules:\n  - from: [{source: {principals: [\"%s\"]}}]\n    to: [{operation: {methods: [\"GET\", \"POST\"], paths: [\"/api/*\"]}}]\n", name, space, name, caller > policies
      if (w == 19 && n % 5 == 0) printf "  - from: [{source: {namespaces: [\"team-%02d\"]}}]\n", (n + 1) % 25 > policies
      printf "---\n" > policies
    }
  }
}'
echo "wrote $to/workloads.yaml and $to/policies.yaml: 500 workloads, 525 policies"
