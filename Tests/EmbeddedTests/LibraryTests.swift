// The shared library as users get it: linked, installed, found by pkg-config, used from C, C++ and Python.
// Enters: the archive that the tests were built with. Leaves: nothing outside the sandbox. Never here: a symbol or a library that is not in the
// lists below.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `The library is installed and used` {
  /// Every name that hosts can link with. A name that goes is a break of the interface; one that comes belongs into the header first.
  static let exported = [
    "portcullis_abi_version", "portcullis_check", "portcullis_connection_close", "portcullis_connection_open",
    "portcullis_connection_reset",
    "portcullis_engine_close", "portcullis_engine_describe", "portcullis_engine_generation", "portcullis_engine_open",
    "portcullis_engine_reload", "portcullis_explain", "portcullis_outcome_name", "portcullis_reader_close", "portcullis_reader_open",
    "portcullis_reason_code", "portcullis_reason_explanation", "portcullis_status_text", "portcullis_tested_facts", "portcullis_text_free",
    "portcullis_version",
  ]

  /// Runs a line of shell in the project's directory, with the sandbox as `$work`.
  private func shell(_ sandbox: Sandbox, _ line: String) throws -> String {
    let prelude = """
      set -eu; cd '\(Programs.project())'; work='\(sandbox.directory)'; export PKG_CONFIG_PATH="$work/usr/lib/pkgconfig" \
      LD_LIBRARY_PATH="$work/usr/lib"

      """
    let run = try sandbox.run("/bin/bash", ["-c", prelude + line], seconds: 120)
    guard run.end == .exited(0) else { throw TestFailure("\(line): \(run.end)\n\(run.output)\(run.errors)") }
    return run.output.trimmingCharacters(in: .newlines)
  }

  @Test func `and exports the interface and nothing else`() throws {
    // `PORTCULLIS_ARCHIVE` names that of a release build.
    let optimized = ProcessInfo.processInfo.environment["PORTCULLIS_ARCHIVE"]
    let archive = try optimized ?? Programs.built("libEmbeddedPortcullis.a")
    try withSandbox { sandbox throws in
      _ = try shell(
        sandbox,
        "scripts/link-library.sh '\(archive)' \"$work/libportcullis.so\"; scripts/install-library.sh \"$work/libportcullis.so\" \"$work/usr\""
      )
      let names = try shell(sandbox, "nm -D --defined-only $work/usr/lib/libportcullis.so | awk '{ print $NF }' | sort")
      #expect(names.split(separator: "\n").map(String.init) == Self.exported)
      let needed = try shell(sandbox, "readelf -d $work/usr/lib/libportcullis.so | sed -n 's/.*(NEEDED).*\\[\\(.*\\)\\]/\\1/p'")
      for library in needed.split(separator: "\n") {
        let isCommon = ["libc.so", "libm.so", "libstdc++.so", "libgcc_s.so", "ld-linux"].contains { library.hasPrefix($0) }
        #expect(isCommon, "needs \(library)")
      }
      #expect(
        try shell(sandbox, "readelf -d $work/usr/lib/libportcullis.so | sed -n 's/.*SONAME.*\\[\\(.*\\)\\]/\\1/p'") == "libportcullis.so.1")
      try hosts(sandbox)
      try guest(sandbox)
      let count = try shell(
        sandbox,
        """
        clang -std=c11 -Wall -Wextra -Werror Tests/EmbeddedTests/allocations.c $(pkg-config --cflags --libs portcullis) -o $work/allocations
        $work/allocations examples/shop
        """)
      // Accessors that are not optimized take memory for their frames, ten times a round of the program; nothing else may.
      #expect(optimized == nil ? Int(count) ?? .max <= 10_000 : count == "0", "\(count) allocations in 1,000 rounds")
    }
  }

  /// What the library does to the process of its host: no thread but the watcher's, no work on its host's free memory, and it stays.
  private func guest(_ sandbox: Sandbox) throws {
    for number in 0..<64 {
      let policy = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {namespace: shop, name: p\(number)}\n"
      try sandbox.write(policy, to: "many/\(number).yaml")
    }
    let counts = try shell(
      sandbox,
      """
      clang -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -rdynamic Tests/EmbeddedTests/guest.c $(pkg-config --cflags portcullis) -o $work/guest
      $work/guest $work/usr/lib/libportcullis.so $work/many
      """)
    #expect(counts == "threads 0 trims 0")
  }

  /// The examples, as their first lines say.
  private func hosts(_ sandbox: Sandbox) throws {
    _ = try shell(
      sandbox,
      "clang -std=c11 -Wall -Wextra -Wpedantic -Werror examples/embed/host.c $(pkg-config --cflags --libs portcullis) -o $work/host")
    _ = try shell(
      sandbox,
      "echo '#include <portcullis.h>' | clang++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c++ $(pkg-config --cflags portcullis) -"
    )
    let question = "examples/shop shop/backend spiffe://cluster.local/ns/shop/sa"
    for program in ["$work/host", "python3 examples/embed/host.py $work/usr/lib/libportcullis.so"] {
      #expect(
        try shell(sandbox, "\(program) \(question)/frontend-sa GET /orders")
          == "allow (allowed-by-policy) by ns[shop]-policy[backend-from-frontend]-rule[0]")
      #expect(
        try shell(sandbox, "\(program) \(question)/db-sa GET /orders && exit 9; [ $? -eq 1 ]") == "deny (no-allow-matched)")
      #expect(
        try shell(sandbox, "\(program) /nonexistent shop/backend spiffe://a/b GET / 2>&1 && exit 9; [ $? -eq 2 ]")
          .contains("cannot be read"))
    }
  }
}
