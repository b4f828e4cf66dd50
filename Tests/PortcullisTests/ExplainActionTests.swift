// `portcullis explain` in words, where the proxy does not evaluate the rules as they are written, or not at all: TCP, dry run, AUDIT,
// CUSTOM, gateways, Envoy's order, and what only a request in JSON can say.
// Enters: small worlds. Leaves: whole texts, the snapshot's hash aside. Never here: the engine's own edge cases.

internal import TestSupport
internal import Testing

@Suite struct `explain tells a person what the proxy does with rules` {
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
          mTLS      PERMISSIVE by default: the peer passes, no identity is demanded

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
          mTLS      PERMISSIVE by default: the peer passes, no identity is demanded

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
          mTLS      PERMISSIVE by default: the peer passes, no identity is demanded

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
          mTLS      PERMISSIVE by default: the peer passes, no identity is demanded

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
          mTLS      PERMISSIVE by default: the peer passes, no identity is demanded

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
          mTLS      PERMISSIVE by default: the peer passes, no identity is demanded

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
            = help: give `http.metadata` (TCP: `metadata`) in a file for `--requests`; nothing is assumed
            snapshot  …
            checked   the reference evaluator says the same

          peer      not known
          mTLS      PERMISSIVE by default: the peer passes, no identity is demanded

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
