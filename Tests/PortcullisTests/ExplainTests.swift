// `portcullis explain` in words: whole texts, because a person reads them whole.
// Enters: the shop, and small worlds of one or two policies. Leaves: what the command prints, the snapshot's hash aside.
// Never here: the engine's own edge cases.

internal import Foundation
internal import TestSupport
internal import Testing

extension Sandbox {
  /// Runs `portcullis explain` on a world beside the shop's workloads, in a directory of its own, so that no line depends on the length of
  /// its name.
  func explain(_ world: String, _ arguments: String) throws -> Run {
    if world == "shop" { return try explain("cd \(Programs.project())", "--policies examples/shop", arguments) }
    try write(ExplainedWorld.policies[world] ?? "", to: "\(world).yaml")
    try write(ExplainedWorld.tokenRequests, to: "token.jsonl")
    let workloads = "cp \(Self.shop)/workloads.yaml ."
    return try explain("cd \(directory) && \(workloads)", "--policies \(world).yaml --policies workloads.yaml", arguments)
  }

  private func explain(_ directory: String, _ policies: String, _ arguments: String) throws -> Run {
    // Only the shop's own policies stand between the words; nothing needs quoting.
    let ended = try run("/bin/bash", ["-c", "\(directory) && exec \(Programs.portcullis()) explain \(policies) \(arguments)"])
    let hash = /(snapshot(?:  |":"))[0-9a-f]{16}/
    return Run(end: ended.end, output: ended.output.replacing(hash) { "\($0.1)…" }, errors: ended.errors)
  }
}

@Suite struct `explain tells a person why` {
  @Test func `the frontend calls the backend: the rule that decides is marked, and the reference agrees`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("shop", "--from shop/frontend-sa --to shop/backend")
      #expect(run.code == 0, "\(run.errors)")
      #expect(
        run.output == #"""
          allow  shop/frontend-sa -> shop/backend
            reason    allowed-by-policy: an ALLOW rule matched
            policy    ns[shop]-policy[backend-from-frontend]-rule[0] (ALLOW)
            at        examples/shop/policies.yaml:29:5
            snapshot  …
            checked   the reference evaluator says the same

          peer      `spiffe://cluster.local/ns/shop/sa/frontend-sa`
          mTLS      STRICT: the peer has an identity of the mesh and passes
                    set by PeerAuthentication shop/default  examples/shop/policies.yaml:11:9

          ALLOW policies: where there are any that are enforced, one of their rules must match
            shop/backend-from-frontend  examples/shop/policies.yaml:21:9
              rule 0 MATCHES, and decides  examples/shop/policies.yaml:29:5

          1 policy applies elsewhere, not to this workload

          """#, "\(run.output)")
    }
  }

  @Test func `the frontend calls the database: the rule says what it wanted`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("shop", "--from shop/frontend-sa --to shop/db")
      #expect(run.code == 1, "\(run.errors)")
      #expect(
        run.output == #"""
          deny  shop/frontend-sa -> shop/db
            reason    no-allow-matched: ALLOW policies apply and no rule of theirs matched
            policy    none
            snapshot  …
            checked   the reference evaluator says the same

          peer      `spiffe://cluster.local/ns/shop/sa/frontend-sa`
          mTLS      STRICT: the peer has an identity of the mesh and passes
                    set by PeerAuthentication shop/default  examples/shop/policies.yaml:11:9

          ALLOW policies: where there are any that are enforced, one of their rules must match
            shop/db-from-backend  examples/shop/policies.yaml:37:9
              rule 0 does not match  examples/shop/policies.yaml:45:5
                from[0] principals  examples/shop/policies.yaml:47:9
                  is      `cluster.local/ns/shop/sa/frontend-sa`
                  wanted  `cluster.local/ns/shop/sa/backend-sa`

          1 policy applies elsewhere, not to this workload

          """#, "\(run.output)")
    }
  }

  @Test func `a peer that STRICT denies never comes to the policies`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("shop", "--from anonymous --to shop/db")
      #expect(run.code == 1, "\(run.errors)")
      #expect(
        run.output == #"""
          deny  anonymous -> shop/db
            reason    mtls-required: PeerAuthentication is STRICT and the peer has no verified identity
            policy    none
            snapshot  …
            checked   the reference evaluator says the same

          peer      anonymous
          mTLS      STRICT: the peer is denied before any policy (mtls-required)
                    set by PeerAuthentication shop/default  examples/shop/policies.yaml:11:9

          ALLOW policies: where there are any that are enforced, one of their rules must match
            (the proxy never comes to these: PeerAuthentication denies the peer)
            shop/db-from-backend  examples/shop/policies.yaml:37:9
              rule 0 does not match  examples/shop/policies.yaml:45:5
                from[0] principals  examples/shop/policies.yaml:47:9
                  is      absent: the peer is anonymous
                  wanted  `cluster.local/ns/shop/sa/backend-sa`

          1 policy applies elsewhere, not to this workload

          """#, "\(run.output)")
    }
  }

  @Test func `who does not say who calls learns what depends on it`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("shop", "--to shop/db")
      #expect(run.code == 3, "\(run.errors)")
      #expect(
        run.output == #"""
          undecided  ? -> shop/db
            reason    unknown-peer: who calls is not known
            policy    none
            = help: give `--from`; nothing is assumed
            snapshot  …
            checked   the reference evaluator says the same

          peer      not known
          mTLS      STRICT: whether the peer passes is not known (unknown-peer)
                    set by PeerAuthentication shop/default  examples/shop/policies.yaml:11:9

          ALLOW policies: where there are any that are enforced, one of their rules must match
            (whether the proxy comes to these depends on what is not known)
            shop/db-from-backend  examples/shop/policies.yaml:37:9
              rule 0 is undecided: who calls is not known  examples/shop/policies.yaml:45:5
                from[0] principals: unknown-peer  examples/shop/policies.yaml:47:9

          1 policy applies elsewhere, not to this workload

          """#, "\(run.output)")
    }
  }

  @Test func `an anonymous peer has no principal, and satisfies each that is negated`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("anonymous", "--to shop/backend --from anonymous --method POST --source-ip 192.0.2.1")
      #expect(run.code == 1, "\(run.errors)")
      #expect(
        run.output == #"""
          deny  anonymous -> shop/backend
            reason    no-allow-matched: ALLOW policies apply and no rule of theirs matched
            policy    none
            snapshot  …
            checked   the reference evaluator says the same

          peer      anonymous
          mTLS      PERMISSIVE by default: the peer passes, no identity is demanded

          DENY policies: a match denies
            shop/not-web  anonymous.yaml:3:18
              rule 0 does not match  anonymous.yaml:7:5
                from[0] principals  anonymous.yaml:7:45
                  is      absent: the peer is anonymous
                  wanted  `*`

          ALLOW policies: where there are any that are enforced, one of their rules must match
            shop/any-but-web  anonymous.yaml:11:18
              rule 0 does not match  anonymous.yaml:14:5
                from[0] principals  anonymous.yaml:14:22
                  is      absent: the peer is anonymous
                  wanted  `cluster.local/ns/shop/sa/frontend-sa`
                from[1] ipBlocks  anonymous.yaml:14:86
                  is      `192.0.2.1`
                  wanted  `10.0.0.0/8`
              rule 1 does not match  anonymous.yaml:15:5
                to[0] methods  anonymous.yaml:16:23
                  is      `POST`
                  wanted  `GET`

          """#, "\(run.output)")
    }
  }

  @Test func `what misses a value by little is told by how little`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain(
        "near",
        "--to shop/backend --from shop/frontend-sa --host backend.shop:80 --path /items/?a=b --method GET"
          + " --header x-role=user --source-ip 11.0.0.1")
      #expect(run.code == 1, "\(run.errors)")
      #expect(
        run.output == #"""
          deny  shop/frontend-sa -> shop/backend
            reason    no-allow-matched: ALLOW policies apply and no rule of theirs matched
            policy    none
            snapshot  …
            checked   the reference evaluator says the same

          peer      `spiffe://cluster.local/ns/shop/sa/frontend-sa`
          mTLS      PERMISSIVE by default: the peer passes, no identity is demanded

          ALLOW policies: where there are any that are enforced, one of their rules must match
            shop/near  near.yaml:3:18
              rule 0 does not match  near.yaml:6:5
                from[0] principals  near.yaml:7:16
                  is      `cluster.local/ns/shop/sa/frontend-sa`
                  wanted  `cluster.local/ns/shop/sa/fronted-sa`
                          ^ near miss: only one character differs
                from[1] principals  near.yaml:8:16
                  is      `cluster.local/ns/shop/sa/frontend-sa`
                  wanted  `cluster.local/ns/Shop/sa/frontend-sa`
                          ^ near miss: only upper and lower case differ
                from[2] principals  near.yaml:9:16
                  is      `cluster.local/ns/shop/sa/frontend-sa`
                  wanted  `cluster.local/ns/shpo/sa/frontend-sa`
                          ^ near miss: only two neighbouring characters are swapped
                      or  `cluster.local/ns/web/sa/frontend-sa`
                          ^ near miss: only the namespace differs
                from[3] principals  near.yaml:10:16
                  is      `cluster.local/ns/shop/sa/frontend-sa`
                  wanted  `mesh.example/ns/shop/sa/frontend-sa`
                          ^ near miss: only the trust domain differs
                from[4] principals  near.yaml:11:16
                  is      `cluster.local/ns/shop/sa/frontend-sa`
                  wanted  `spiffe://cluster.local/ns/shop/sa/frontend-sa`
                          ^ near miss: principals are written without `spiffe://`
                from[5] serviceAccounts  near.yaml:12:16
                  is      `spiffe://cluster.local/ns/shop/sa/frontend-sa`
                  wanted  `web/frontend-sa`
                          ^ near miss: only the namespace differs
                from[6] namespaces  near.yaml:13:16
                  is      `spiffe://cluster.local/ns/shop/sa/frontend-sa`
                  wanted  `shops`
                          ^ near miss: only one character differs
                from[7] notPrincipals  near.yaml:14:16
                  is      `cluster.local/ns/shop/sa/frontend-sa`
                  not     `*/frontend-sa`
                to[0] hosts  near.yaml:16:19
                  is      `backend.shop:80`
                  wanted  `backend.shop`
                          ^ near miss: only the port differs; rules see the host as the client sends it
                to[1] hosts  near.yaml:17:19
                  is      `backend.shop:80`
                  wanted  `backend.shop:8080`
                          ^ near miss: only the port differs; rules see the host as the client sends it
                to[2] paths  near.yaml:18:19
                  is      `/items/`
                  wanted  `/items`
                          ^ near miss: only the slash at the end differs
                to[3] paths  near.yaml:19:19
                  is      `/items/`
                  wanted  `/item/*`
                          ^ near miss: only one character differs
                      or  `/Items/`
                          ^ near miss: only upper and lower case differ
                      or  `/items/?a=b`
                          ^ near miss: rules see the path without its query
                      or  ` /items/`
                          ^ near miss: only blanks at an end differ
                to[4] methods  near.yaml:20:19
                  is      `GET`
                  wanted  `get`
                          ^ near miss: only upper and lower case differ
                when[0] request.headers[x-role]  near.yaml:22:13
                  is      `user`
                  wanted  `admin`

          """#, "\(run.output)")
    }
  }
}
