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
          mTLS      PERMISSIVE by default: any peer passes

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
          mTLS      PERMISSIVE by default: any peer passes

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

  @Test func `on TCP an ALLOW rule disappears and a DENY rule becomes wider`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("tcp", "--to shop/backend --from shop/frontend-sa --tcp --port 9000")
      #expect(run.code == 1, "\(run.errors)")
      #expect(
        run.output == #"""
          deny  shop/frontend-sa -> shop/backend
            reason    denied-by-policy: a DENY rule matched
            policy    ns[shop]-policy[deny-admin]-rule[1] (DENY)
            at        tcp.yaml:16:5
            snapshot  …
            checked   the reference evaluator says the same

          peer      `spiffe://cluster.local/ns/shop/sa/frontend-sa`
          mTLS      PERMISSIVE by default: any peer passes

          DENY policies: a match denies
            shop/deny-admin  tcp.yaml:11:18
              rule 0 does not match  tcp.yaml:15:5
                from[0] notNamespaces  tcp.yaml:15:22
                  is      `spiffe://cluster.local/ns/shop/sa/frontend-sa`
                  not     `shop`
              rule 1 MATCHES, and decides  tcp.yaml:16:5
                wider than written: `paths` does not exist on a TCP connection and is not tested
                    at tcp.yaml:16:23

          ALLOW policies: where there are any that are enforced, one of their rules must match
            (the proxy never comes to these: a DENY rule matches)
            shop/allow-get  tcp.yaml:3:18
              rule 0 is not there: `methods` needs HTTP, so on a TCP connection this ALLOW rule does not exist
                  at tcp.yaml:7:23

          """#, "\(run.output)")
    }
  }

  @Test func `policies in dry run and AUDIT policies say what they would have done`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("dry", "--to shop/backend --from web/site --method PUT --path /")
      #expect(run.code == 0, "\(run.errors)")
      #expect(
        run.output == #"""
          allow  web/site -> shop/backend
            reason    allowed-by-default: no ALLOW policy applies and no DENY rule matched
            policy    none
            dry run   deny by ns[shop]-policy[no-web]-rule[0]
            audit     ns[shop]-policy[watch-writes]-rule[1]
            snapshot  …
            checked   the reference evaluator says the same

          peer      `spiffe://cluster.local/ns/web/sa/site`
          mTLS      PERMISSIVE by default: any peer passes

          CUSTOM policies: a match asks a provider first, whose answer is not known here
            shop/ask-opa (provider `opa`)  dry.yaml:28:18
              rule 0 does not match  dry.yaml:33:5
                to[0] paths  dry.yaml:33:23
                  is      `/`
                  wanted  `/admin`

          AUDIT policies: a match is recorded and decides nothing
            shop/watch-writes  dry.yaml:10:18
              rule 0 does not match  dry.yaml:14:5
                to[0] methods  dry.yaml:14:23
                  is      `PUT`
                  wanted  `GET`
              rule 1 MATCHES: the request is recorded  dry.yaml:15:5

          DENY policies: a match denies
            shop/no-web (dry run: evaluated, not enforced)  dry.yaml:19:18
              rule 0 would match: it would deny  dry.yaml:23:5
              rule 1 would match, but one before it does  dry.yaml:24:5

          ALLOW policies: where there are any that are enforced, one of their rules must match
            (none is enforced, so they close nothing)
            shop/only-frontend (dry run: evaluated, not enforced)  dry.yaml:3:18
              rule 0 does not match  dry.yaml:6:5
                from[0] serviceAccounts  dry.yaml:6:22
                  is      `spiffe://cluster.local/ns/web/sa/site`
                  wanted  `frontend-sa`

          """#, "\(run.output)")
    }
  }

  @Test func `behind a CUSTOM rule that matches, all depends on its provider`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("dry", "--to shop/backend --from web/site --method PUT --path /admin")
      #expect(run.code == 3, "\(run.errors)")
      #expect(
        run.output == #"""
          undecided  web/site -> shop/backend
            reason    custom-provider: a CUSTOM rule matched; its provider's answer is not known here
            policy    ns[shop]-policy[ask-opa]-rule[0] (CUSTOM)
            at        dry.yaml:33:5
            dry run   deny by ns[shop]-policy[no-web]-rule[0]
            audit     ns[shop]-policy[watch-writes]-rule[1]
            = help: give `--custom-delegated` or `--provider-name`, if the provider's answer does not matter
                here; nothing is assumed
            snapshot  …
            checked   the reference evaluator says the same

          peer      `spiffe://cluster.local/ns/web/sa/site`
          mTLS      PERMISSIVE by default: any peer passes

          CUSTOM policies: a match asks a provider first, whose answer is not known here
            shop/ask-opa (provider `opa`)  dry.yaml:28:18
              rule 0 MATCHES: the provider is asked  dry.yaml:33:5

          AUDIT policies: a match is recorded and decides nothing
            (whether the proxy comes to these depends on the answer of a CUSTOM policy's provider)
            shop/watch-writes  dry.yaml:10:18
              rule 0 does not match  dry.yaml:14:5
                to[0] methods  dry.yaml:14:23
                  is      `PUT`
                  wanted  `GET`
              rule 1 would match: the request would be recorded  dry.yaml:15:5

          DENY policies: a match denies
            (whether the proxy comes to these depends on the answer of a CUSTOM policy's provider)
            shop/no-web (dry run: evaluated, not enforced)  dry.yaml:19:18
              rule 0 would match: it would deny  dry.yaml:23:5
              rule 1 would match, but one before it does  dry.yaml:24:5

          ALLOW policies: where there are any that are enforced, one of their rules must match
            (whether the proxy comes to these depends on the answer of a CUSTOM policy's provider)
            (none is enforced, so they close nothing)
            shop/only-frontend (dry run: evaluated, not enforced)  dry.yaml:3:18
              rule 0 does not match  dry.yaml:6:5
                from[0] serviceAccounts  dry.yaml:6:22
                  is      `spiffe://cluster.local/ns/web/sa/site`
                  wanted  `frontend-sa`

          """#, "\(run.output)")
    }
  }

  @Test func `a delegated provider adds nothing, and an AUDIT rule is recorded`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("dry", "--to shop/backend --from web/site --method PUT --path /admin --custom-delegated opa")
      #expect(run.code == 0, "\(run.errors)")
      #expect(
        run.output == #"""
          allow  web/site -> shop/backend
            reason    allowed-by-default: no ALLOW policy applies and no DENY rule matched
            policy    none
            dry run   deny by ns[shop]-policy[no-web]-rule[0]
            audit     ns[shop]-policy[watch-writes]-rule[1]
            snapshot  …
            checked   the reference evaluator says the same

          peer      `spiffe://cluster.local/ns/web/sa/site`
          mTLS      PERMISSIVE by default: any peer passes

          CUSTOM policies: a match asks a provider first, whose answer is not known here
            shop/ask-opa (provider `opa`) (delegated: the proxy asks it, it adds nothing here)  dry.yaml:28:18
              rule 0 matches  dry.yaml:33:5

          AUDIT policies: a match is recorded and decides nothing
            shop/watch-writes  dry.yaml:10:18
              rule 0 does not match  dry.yaml:14:5
                to[0] methods  dry.yaml:14:23
                  is      `PUT`
                  wanted  `GET`
              rule 1 MATCHES: the request is recorded  dry.yaml:15:5

          DENY policies: a match denies
            shop/no-web (dry run: evaluated, not enforced)  dry.yaml:19:18
              rule 0 would match: it would deny  dry.yaml:23:5
              rule 1 would match, but one before it does  dry.yaml:24:5

          ALLOW policies: where there are any that are enforced, one of their rules must match
            (none is enforced, so they close nothing)
            shop/only-frontend (dry run: evaluated, not enforced)  dry.yaml:3:18
              rule 0 does not match  dry.yaml:6:5
                from[0] serviceAccounts  dry.yaml:6:22
                  is      `spiffe://cluster.local/ns/web/sa/site`
                  wanted  `frontend-sa`

          """#, "\(run.output)")
    }
  }

  @Test func `a gateway obeys no PeerAuthentication, and its DENY rule decides`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain(
        "gateway",
        "--to infra/edge-1 --profile gateway --from anonymous --host www.example.com --path /private"
          + " --remote-ip 198.51.100.7")
      #expect(run.code == 1, "\(run.errors)")
      #expect(
        run.output == #"""
          deny  anonymous -> infra/edge-1
            reason    denied-by-policy: a DENY rule matched
            policy    ns[infra]-policy[edge]-rule[0] (DENY)
            at        gateway.yaml:13:5
            snapshot  …
            checked   the reference evaluator says the same

          peer      anonymous
          mTLS      does not apply: PeerAuthentication does not bind a gateway's servers

          DENY policies: a match denies
            infra/edge  gateway.yaml:8:18
              rule 0 MATCHES, and decides  gateway.yaml:13:5

          """#, "\(run.output)")
    }
  }

  @Test func `rule 10 is tried before rule 2, and a policy that sorts first before both`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("order", "--to shop/backend --from anonymous --method GET --path /10")
      #expect(run.code == 1, "\(run.errors)")
      #expect(
        run.output == #"""
          deny  anonymous -> shop/backend
            reason    denied-by-policy: a DENY rule matched
            policy    ns[shop]-policy[many-more]-rule[0] (DENY)
            at        order.yaml:25:5
            snapshot  …
            checked   the reference evaluator says the same

          peer      anonymous
          mTLS      PERMISSIVE by default: any peer passes

          DENY policies: a match denies
            shop/many-more  order.yaml:21:18
              rule 0 MATCHES, and decides  order.yaml:25:5
            shop/many  order.yaml:3:18
              (not tried: a rule before it matched)
              rule 0 does not match  order.yaml:7:5
                to[0] methods  order.yaml:7:23
                  is      `GET`
                  wanted  `M0`
              rule 10 would match  order.yaml:17:5
              rule 1 does not match  order.yaml:8:5
                to[0] methods  order.yaml:8:23
                  is      `GET`
                  wanted  `M1`
              rule 2 does not match  order.yaml:9:5
                to[0] paths  order.yaml:9:23
                  is      `/10`
                  wanted  `/2*`
              rule 3 does not match  order.yaml:10:5
                to[0] paths  order.yaml:10:23
                  is      `/10`
                  wanted  `/3*`
              rule 4 does not match  order.yaml:11:5
                to[0] paths  order.yaml:11:23
                  is      `/10`
                  wanted  `/4*`
              rule 5 does not match  order.yaml:12:5
                to[0] paths  order.yaml:12:23
                  is      `/10`
                  wanted  `/5*`
              rule 6 does not match  order.yaml:13:5
                to[0] paths  order.yaml:13:23
                  is      `/10`
                  wanted  `/6*`
              rule 7 does not match  order.yaml:14:5
                to[0] paths  order.yaml:14:23
                  is      `/10`
                  wanted  `/7*`
              rule 8 does not match  order.yaml:15:5
                to[0] paths  order.yaml:15:23
                  is      `/10`
                  wanted  `/8*`
              rule 9 does not match  order.yaml:16:5
                to[0] paths  order.yaml:16:23
                  is      `/10`
                  wanted  `/9*`

          """#, "\(run.output)")
    }
  }

  @Test func `claims, headers and metadata are shown, and what is not known is named`() throws {
    try withSandbox { sandbox in
      let run = try sandbox.explain("token", "--requests token.jsonl")
      #expect(run.code == 3, "\(run.errors)")
      #expect(
        run.output == #"""
          deny  anonymous -> shop
            reason    no-allow-matched: ALLOW policies apply and no rule of theirs matched
            policy    none
            snapshot  …
            checked   the reference evaluator says the same

          peer      anonymous
          mTLS      PERMISSIVE by default: any peer passes

          ALLOW policies: where there are any that are enforced, one of their rules must match
            shop/token  token.yaml:3:18
              rule 0 does not match  token.yaml:6:5
                from[0] requestPrincipals  token.yaml:6:22
                  is      `https://iss.example//u`
                  wanted  `https://iss.example/*`
                          ^ near miss: only the slash at the end differs
                when[0] request.auth.claims[groups]  token.yaml:8:13
                  is      `dev`
                     and  `opss`
                  wanted  `admin`
                      or  `ops`
              rule 1 does not match  token.yaml:9:5
                when[0] request.auth.claims[realm][roles]  token.yaml:10:13
                  is      absent: the token has no such text or list of texts
                  wanted  `admin`
              rule 2 does not match  token.yaml:11:5
                when[0] request.auth.audiences  token.yaml:12:13
                  is      absent: the token has no such text or list of texts
                  wanted  `shop.example`
              rule 3 does not match  token.yaml:13:5
                when[0] experimental.envoy.filters.network.mysql_proxy[db.t]  token.yaml:14:13
                  is      `select`
                  wanted  `[insert]`
              rule 4 does not match  token.yaml:15:5
                when[0] request.headers[x-role]  token.yaml:16:13
                  is      `Admin`
                     and  `user`
                  wanted  `admin`
                          ^ near miss from `Admin`: only upper and lower case differ

          undecided  ? -> shop/deployment/backend
            reason    unknown-metadata: the proxy's metadata that a rule tests was not sent
            policy    ns[shop]-policy[token]-rule[3] (ALLOW)
            at        token.yaml:13:5
            = help: give `http.metadata` in a file for `--requests`; nothing is assumed
            snapshot  …
            checked   the reference evaluator says the same

          peer      not known
          mTLS      PERMISSIVE by default: any peer passes

          ALLOW policies: where there are any that are enforced, one of their rules must match
            shop/token  token.yaml:3:18
              rule 0 does not match  token.yaml:6:5
                from[0] requestPrincipals  token.yaml:6:22
                  is      absent: no verified token
                  wanted  `https://iss.example/*`
                when[0] request.auth.claims[groups]  token.yaml:8:13
                  is      absent: no verified token
                  wanted  `admin`
                      or  `ops`
              rule 1 does not match  token.yaml:9:5
                when[0] request.auth.claims[realm][roles]  token.yaml:10:13
                  is      absent: no verified token
                  wanted  `admin`
              rule 2 does not match  token.yaml:11:5
                when[0] request.auth.audiences  token.yaml:12:13
                  is      absent: no verified token
                  wanted  `shop.example`
              rule 3 is undecided: the proxy's metadata that a rule tests was not sent  token.yaml:13:5
                when[0] experimental.envoy.filters.network.mysql_proxy[db.t]: unknown-metadata
                    at token.yaml:14:13
              rule 4 is undecided: the request's headers are not known  token.yaml:15:5
                when[0] request.headers[x-role]: unknown-headers  token.yaml:16:13
                when[1] request.headers[x-zone]: unknown-headers  token.yaml:17:13

          """#, "\(run.output)")
    }
  }
}
