#!/usr/bin/env bash
# Shows that the tests of the exact analysis can fail: breaks one operator at a time in a copy of it, and demands that a test notices.
# Builds only what these tests need, optimized. usage: mutate-exact.sh [DIRECTORY]   (default: a temporary one, removed at the end)
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=${1:-$(mktemp -d)}
[ $# -gt 0 ] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work/Sources" "$work/Tests"
for part in CYAML PolicyModel PolicyLoading PolicyEngine PolicyAnalysis; do cp -a "$root/Sources/$part" "$work/Sources/"; done
rm -rf "$work/Tests/Exact" && mkdir -p "$work/Tests/Exact"
cp "$root"/Tests/PolicyAnalysisTests/Exact/*.swift "$work/Tests/Exact/"
cat > "$work/Package.swift" << 'PACKAGE'
// swift-tools-version: 6.2
import PackageDescription
let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6), .strictMemorySafety(), .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("MemberImportVisibility"),
]
let package = Package(
  name: "mutants",
  targets: [
    .systemLibrary(name: "CYAML"), .target(name: "PolicyModel", swiftSettings: settings),
    .target(name: "PolicyLoading", dependencies: ["PolicyModel", "CYAML"], swiftSettings: settings),
    .target(name: "PolicyEngine", dependencies: ["PolicyModel"], swiftSettings: settings + [.enableExperimentalFeature("Lifetimes")]),
    .target(name: "PolicyAnalysis", dependencies: ["PolicyModel", "PolicyEngine"], swiftSettings: settings),
    .testTarget(
      name: "Exact", dependencies: ["PolicyModel", "PolicyLoading", "PolicyEngine", "PolicyAnalysis"], swiftSettings: settings),
  ])
PACKAGE

build() { swift build --package-path "$work" --build-tests -Xswiftc -O > "$work/build.log" 2>&1; }
tests() {
  PORTCULLIS_SEED=${SEED:-4711} timeout 300 swift test --package-path "$work" --skip-build --disable-xctest -Xswiftc -O > "$work/test.log" 2>&1
}

echo "mutants: none"
build || { grep error: "$work/build.log" | head; exit 1; }
tests || { grep -a 'recorded an issue' "$work/test.log" | head -5; echo "FAILED: the tests do not pass as they are"; exit 1; }

survivors=0
mutate() { # FILE, what stands there, what stands there instead
  local file=$work/Sources/PolicyAnalysis/Exact/$1
  cp "$file" "$work/original"
  python3 - "$file" "$2" "$3" << 'PYTHON'
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
if text.count(old) != 1: sys.exit(f"{path}: `{old}` stands there {text.count(old)} times")
open(path, "w").write(text.replace(old, new))
PYTHON
  if ! build; then
    echo "FAILED: $1: does not compile: $3"
    survivors=$((survivors + 1))
  elif tests; then
    echo "FAILED: $1: nobody noticed: $3"
    survivors=$((survivors + 1))
  else
    echo "mutants: $1: noticed: $3  ($(grep -a -m1 'recorded an issue' "$work/test.log" | sed 's/^[^"]*"//; s/".*//' | cut -c1-70))"
  fi
  cp "$work/original" "$file"
}

mutate Diagrams.swift 'second == atom ? two.branches[j].to : two.rest' 'second == atom ? two.branches[j].to : one.rest'
mutate Diagrams.swift 'if left == never || right == never { return never }' 'if left == never || right == never { return right }'
mutate Formula.swift 'parts.append(.not(.any(demand.notValues.map' 'parts.append((.any(demand.notValues.map'
mutate Outcomes.swift 'denied = try diagrams.or(denied, try diagrams.not(try any(.allow)))' 'denied = try diagrams.or(denied, try any(.allow))'
mutate InvariantAnalysis.swift 'invariant.expectation == .deny ? comparison.after.deny : comparison.after.allow' 'comparison.after.deny'
echo "mutants: $survivors survived"
[ $survivors -eq 0 ]
