// The page that `graph` writes, in a real browser: what a person sees, and what happens on clicks, keys and words.
// Enters: the shop, a mesh of 500 workloads, hostile names. Leaves: what the page shows. Never here: what may be called; the tests of the
// analysis hold that.

internal import Foundation
internal import TestSupport
internal import Testing

@Suite struct `graph's page in a browser` {
  /// What tests ask of the page, in its own language.
  private static let tools: BrowserStep = .evaluate(
    """
    (() => {
      const isSeen = element => getComputedStyle(element).display !== "none";
      const all = (kind, where) => [...document.querySelectorAll(kind)].filter(element => isSeen(element) && (!where || where(element)));
      window.lines = () => all(".e").length;
      window.deniedLines = () => all(".e.denied").length;
      window.bundles = () => all(".bundle").length;
      window.names = kind => all(kind).map(element => element.querySelector("text").textContent).sort().join(" ");
      window.panel = () => document.querySelector("#panel").innerText;
      window.node = name => document.querySelectorAll(".n")[JSON.parse(document.querySelector("#data").textContent).nodes.findIndex(
        one => (one[1] ? one[1] + "/" : "") + one[0] === name)];
      window.button = text => [...document.querySelectorAll("button")].find(one => one.textContent === text);
      window.space = name => [...document.querySelectorAll("#namespaces label")].find(one => one.textContent === " " + name).querySelector("input");
      // The middle of a line between two workloads, in the window.
      window.line = (from, to) => {
        const data = JSON.parse(document.querySelector("#data").textContent);
        const full = one => (data.nodes[one][1] ? data.nodes[one][1] + "/" : "") + data.nodes[one][0];
        const place = data.edges.findIndex(edge => full(edge[0]) === from && full(edge[1]) === to);
        const path = document.querySelector(`.e[data-e="${place}"] .hit`), matrix = path.getScreenCTM();
        const point = new DOMPoint(...Object.values((({ x, y }) => ({ x, y }))(path.getPointAtLength(path.getTotalLength() / 4)))).matrixTransform(matrix);
        return [point.x, point.y];
      };
      // Lines that run through the box of a workload that they do not belong to.
      window.crossings = () => {
        const shown = all(".n:not(.dim)").map(element => [Number(element.dataset.n), element.querySelector("rect").getBoundingClientRect()]);
        const data = JSON.parse(document.querySelector("#data").textContent);
        return all(".e").filter(element => {
          const path = element.querySelector(".line"), matrix = path.getScreenCTM(), edge = data.edges[Number(element.dataset.e)];
          for (let part = 0; part <= 1; part += 1 / 64) {
            const at = path.getPointAtLength(path.getTotalLength() * part), point = new DOMPoint(at.x, at.y).matrixTransform(matrix);
            if (shown.some(([index, box]) => !edge.slice(0, 2).includes(index) && point.x > box.left && point.x < box.right
              && point.y > box.top && point.y < box.bottom)) return true;
          }
          return false;
        }).length;
      };
      // Workloads that lie on each other.
      window.overlaps = () => {
        const shown = all(".n:not(.dim)").map(element => element.querySelector("rect").getBoundingClientRect());
        return shown.filter((one, index) => shown.slice(index + 1).some(two => one.left < two.right && two.left < one.right
          && one.top < two.bottom && two.top < one.bottom)).length;
      };
      // The contrast between two colours, as WCAG 2 measures it.
      const light = color => {
        const [r, g, b] = color.match(/[\\d.]+/g).map(Number).map(one => one / 255).map(one => one <= .04045 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
      };
      const contrast = (one, two) => {
        const [low, high] = [light(one), light(two)].sort((a, b) => a - b);
        return (high + .05) / (low + .05);
      };
      const style = (kind, name) => getComputedStyle(document.querySelector(kind))[name];
      const ground = kind => { let one = document.querySelector(kind); while (getComputedStyle(one).backgroundColor === "rgba(0, 0, 0, 0)") one = one.parentElement; return getComputedStyle(one).backgroundColor; };
      window.contrasts = () => [
        ...["#count", "h1", "#search", ".weak", "footer", "#filter summary"].map(kind => [kind, contrast(style(kind, "color"), ground(kind)), 4.5]),
        [".n", contrast(style(".n.sidecar text, .n:not(.outside) text", "fill"), style(".n:not(.outside) rect", "fill")), 4.5],
        [".outside", contrast(style(".n.outside text", "fill"), style(".n.outside rect", "fill")), 4.5],
        [".ns", contrast(style(".ns text", "fill"), style(".ns rect", "fill")), 4.5],
        [".mTLS", contrast(style(".e.mTLS .line", "stroke"), style(".ns rect", "fill")), 3],
        [".denied", contrast(style(".e.denied .line", "stroke"), style(".ns rect", "fill")), 3],
      ].filter(([, found, wanted]) => !(found >= wanted)).map(one => one.join(" ")).join("; ");
      return document.documentElement.dataset.ready;
    })()
    """)

  /// Draws a mesh, opens the page and takes the steps; the first value is that of the tools.
  private static func visit(_ sandbox: Sandbox, _ policies: String, _ options: [String], fragment: String = "", _ steps: [BrowserStep])
    throws
    -> BrowserVisit
  {
    let page = sandbox.path("graph.html")
    let run = try sandbox.portcullis(["graph", "--policies", policies, "--format", "html", "-o", page] + options)
    #expect(run.code == 0, "\(run.errors)")
    let visit = try sandbox.browse(page, fragment: fragment, [tools] + steps)
    #expect(visit.text(0) == "yes" && visit.errors.isEmpty, "\(visit.errors)")
    #expect(visit.requests == ["file://\(page)"])
    return visit
  }

  @Test func `the shop: lines, search, filters, explanations`() throws {
    try withSandbox { sandbox in
      let visit = try Self.visit(
        sandbox, Sandbox.shop, ["--denied", "--outside"],
        [
          .evaluate("[lines(), deniedLines()].join()"), .evaluate("names('.n')"), .evaluate("names('#titles .ns')"),
          .evaluate("crossings()"),
          // A click on a workload, and what it explains.
          .click("node('shop/db')"), .evaluate("panel()"), .evaluate("[lines(), deniedLines()].join()"),
          .click("button('shop/backend: all requests')"), .evaluate("panel()"), .click("button('show the caller')"), .evaluate("panel()"),
          // A click on a line, and one beside everything.
          .key("Escape"), .click("line('shop/frontend', 'shop/db')"), .evaluate("panel()"), .click("[30, 800]"), .evaluate("panel()"),
          // Denied pairs.
          .click("document.querySelector('#denied')"), .evaluate("[lines(), deniedLines()].join()"),
          .click("document.querySelector('#denied')"), .evaluate("[lines(), deniedLines()].join()"),
          // Words.
          .click("document.querySelector('#search')"), .type("BACKEND-sa"), .evaluate("names('.n:not(.dim)') + '|' + names('.n.found')"),
          .evaluate("panel()"), .click("button('shop/backend')"), .evaluate("panel().split('\\n')[0]"), .key("Escape"),
          .evaluate("document.querySelector('#search').value + names('.n:not(.dim)')"),
          // Namespaces.
          .click("document.querySelector('#filter summary')"), .click("space('shop')"),
          .evaluate("[names('.n'), names('#titles .ns'), lines()].join('|')"), .click("button('none')"), .evaluate("names('.n')"),
          .click("button('all')"), .evaluate("lines()"), .click("[30, 800]"), .evaluate("document.querySelector('#filter').open"),
          // Keys and the wheel.
          .evaluate("node('shop/frontend').focus()"), .key("Enter"), .evaluate("panel().split('\\n')[0]"), .key("Escape"),
          .wheel("[400, 400, -400]"), .evaluate("document.querySelector('#graph').viewBox.baseVal.width < 400"),
          .drag("[[400, 700], [460, 720]]"), .evaluate("panel().startsWith('Click a workload')"),
        ])
      let backend = "shop/backend → shop/db\n\nall requests\n\ndb.shop.svc.cluster.local\n\nall requests: an ALLOW rule matched\n"
      #expect(visit.text(1) == "9,5" && visit.text(2) == "backend db frontend outside" && visit.text(3) == "shop")
      #expect(visit.number(4) == 0, "\(visit.text(4)) lines run through workloads")
      #expect(visit.text(5).hasPrefix("shop/db\n\nDeployment, service account db-sa\n\na sidecar"), "\(visit.text(5))")
      #expect(
        visit.text(5).contains("may call (2)\nshop/backend: denied\nshop/frontend: all requests\nmay be called by (3)\n"),
        "\(visit.text(5))")
      #expect(visit.text(6) == "5,3")
      #expect(visit.text(7).hasPrefix(backend) && visit.text(7).contains("ns[shop]-policy[db-from-backend]-rule[0]"), "\(visit.text(7))")
      #expect(visit.text(7).contains("policies.yaml:45:5") && visit.text(7).contains("mTLS: "), "\(visit.text(7))")
      #expect(visit.text(8).hasPrefix("shop/backend\n"), "\(visit.text(8))")
      #expect(
        visit.text(9).hasPrefix("shop/frontend → shop/db\n\ndenied\n\n") && visit.text(9).contains("denied: ALLOW policies apply"),
        "\(visit.text(9))")
      #expect(visit.text(10).hasPrefix("Click a workload or a line."), "\(visit.text(10))")
      #expect(visit.text(11) == "4,0" && visit.text(12) == "9,5")
      #expect(visit.text(13) == "backend db frontend outside|backend" && visit.text(14) == "found (1)\nshop/backend", "\(visit.text(13))")
      #expect(visit.text(15) == "shop/backend" && visit.text(16) == "backend db frontend outside")
      #expect(visit.text(17) == "outside||0" && visit.text(18).isEmpty && visit.number(19) == 9, "\(visit.text(17))")
      #expect(visit.values[20] as? Bool == false && visit.text(22) == "shop/frontend")
      #expect(visit.values[23] as? Bool == true && visit.values[24] as? Bool == true)
    }
  }

  @Test(arguments: [false, true]) func `everything can be read on light and dark screens`(_ isDark: Bool) throws {
    try withSandbox { sandbox in
      let visit = try Self.visit(
        sandbox, Sandbox.shop, ["--denied", "--outside"],
        [.dark(isDark), .evaluate("contrasts()"), .evaluate("getComputedStyle(document.body).backgroundColor")])
      #expect(visit.text(1).isEmpty, "\(visit.text(1))")
      #expect((visit.text(2) == "rgb(255, 255, 255)") == !isDark, "\(visit.text(2))")
    }
  }

  @Test func `five hundred workloads stay usable`() throws {
    try withSandbox { sandbox in
      let mesh = sandbox.path("large")
      let made = try sandbox.run("/bin/sh", [Programs.project() + "/examples/large/generate.sh", mesh])
      #expect(made.end == .exited(0))
      let visit = try Self.visit(
        sandbox, mesh, [], fragment: "team-03/service-05",
        [
          // The address chose a workload. It and its own lines are near enough to be read.
          .evaluate("panel().split('\\n')[0]"), .evaluate("[lines(), bundles(), crossings()].join()"),
          .evaluate("node('team-03/service-05').querySelector('rect').getBoundingClientRect().height > 18"),
          .key("Escape"), .evaluate("[lines(), bundles() > 20, document.querySelectorAll('.n').length].join()"),
          .evaluate("[...document.querySelectorAll('#titles text')].every(one => one.getBoundingClientRect().height >= 10)"),
          // Of all, the drawing uses what the window leaves to it.
          .evaluate(
            "(() => { const box = document.querySelector('#graph').getBoundingClientRect(), view = document.querySelector('#graph').viewBox.baseVal; return Math.min(view.width / view.height / (box.width / box.height), view.height / view.width / (box.height / box.width)) > .75; })()"
          ),
          .click("document.querySelector('#search')"), .type("service-07"), .evaluate("panel().split('\\n')[0]"),
          .evaluate("document.querySelectorAll('.n.found').length"), .click("button('team-11/service-07')"),
          .evaluate("panel().split('\\n')[0] + lines()"), .click("button('team-11/service-08: some requests')"),
          .evaluate("panel().split('\\n')[0]"), .evaluate("panel().includes('policies.yaml:')"), .key("Escape"),
          // One namespace alone has room for its own lines.
          .click("document.querySelector('#filter summary')"), .click("button('none')"), .click("space('team-20')"),
          .evaluate("[names('#titles .ns'), document.querySelectorAll('.n:not(.gone)').length, lines(), bundles(), crossings()].join()"),
          .click("space('team-21')"), .evaluate("[names('#titles .ns'), lines()].join()"), .click("button('all')"),
          .evaluate("[lines(), bundles() > 20].join()"),
          // One that calls workloads everywhere.
          .click("document.querySelector('#search')"), .type("team-00/service-00"), .click("button('team-00/service-00')"),
          .evaluate("[lines(), overlaps()].join()"),
        ])
      #expect(visit.text(1) == "team-03/service-05" && visit.text(2) == "2,0,0", "\(visit.text(2))")
      #expect(visit.values[3] as? Bool == true && visit.text(4) == "0,true,500", "\(visit.text(4))")
      #expect(visit.values[5] as? Bool == true && visit.values[6] as? Bool == true)
      #expect(visit.text(7) == "found (25)" && visit.number(8) == 25 && visit.text(9) == "team-11/service-073", "\(visit.text(9))")
      #expect(visit.text(10) == "team-11/service-07 → team-11/service-08" && visit.values[11] as? Bool == true)
      #expect(visit.text(12) == "team-20,20,19,0,0", "\(visit.text(12))")
      #expect(visit.text(13) == "team-20 team-21,58" && visit.text(14) == "0,true", "\(visit.text(13))")
      #expect(visit.text(15) == "25,0", "\(visit.text(15))")
    }
  }

  @Test func `names are shown as text, whatever is in them`() throws {
    try withSandbox { sandbox in
      let name = "</script><img src=x onerror=alert(1)>"
      let hostile = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: \"\(name)\", namespace: \"<b>&amp;\"}}"
      let file = try sandbox.write(hostile, to: "hostile.yaml")
      let visit = try Self.visit(
        sandbox, file, [],
        [.click("document.querySelector('.n')"), .evaluate("panel().split('\\n')[0]"), .evaluate("document.images.length")])
      #expect(visit.text(1) == "<b>&amp;/" + name && visit.number(2) == 0, "\(visit.values)")
    }
  }
}
