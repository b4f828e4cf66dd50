// The script of the page. It holds no text of a manifest; what it shows is in the page's data.

extension GraphPage {
  static let script = """
    "use strict";
    (() => {
      const byId = id => document.getElementById(id);
      const data = JSON.parse(byId("data").textContent);
      const [NAME, SPACE, KIND, ACCOUNT, PROXY, X, Y, WIDTH] = [0, 1, 2, 3, 4, 5, 6, 7];
      const [FROM, TO, ACCESS, PROTECTION, PORTS] = [0, 1, 2, 3, 4];
      const svg = byId("graph"), edgeLayer = byId("edges"), panel = byId("panel"), search = byId("search"), denied = byId("denied");
      const outOf = data.nodes.map(() => []), into = data.nodes.map(() => []);
      data.edges.forEach((edge, index) => { outOf[edge[FROM]].push(index); into[edge[TO]].push(index); });
      const nodes = [...svg.querySelectorAll(".n")], bundles = [...svg.querySelectorAll(".bundle")], boxes = [...svg.querySelectorAll(".ns")];
      const drawn = new Map([...svg.querySelectorAll(".e")].map(element => [Number(element.dataset.e), element]));
      const spaces = [...new Set(data.nodes.map(node => node[SPACE]))].sort();
      const hidden = new Set();
      let chosenNode = null, chosenEdge = null, near = 1;

      const make = (tag, text, className) => {
        const element = document.createElement(tag);
        if (text !== undefined) element.textContent = text;
        if (className) element.className = className;
        return element;
      };
      const full = index => (data.nodes[index][SPACE] ? data.nodes[index][SPACE] + "/" : "") + data.nodes[index][NAME];
      const word = edge => edge[ACCESS] === "all" ? "all requests" : edge[ACCESS] === "some" ? "some requests" : "denied";

      const border = (node, x, y, more) => {
        const dx = x - node[X], dy = y - node[Y];
        const scale = Math.min((node[WIDTH] * near + more) / 2 / Math.max(Math.abs(dx), .01), 17 * near / Math.max(Math.abs(dy), .01), 1);
        return [node[X] + dx * scale, node[Y] + dy * scale];
      };
      const curve = (one, two, bend) => {
        const dx = two[X] - one[X], dy = two[Y] - one[Y], length = Math.max(Math.hypot(dx, dy), 1), offset = Math.min(26, length * .12) * bend / length;
        const cx = (one[X] + two[X]) / 2 + dy * offset, cy = (one[Y] + two[Y]) / 2 - dx * offset;
        return [...border(one, cx, cy, 0), cx, cy, ...border(two, cx, cy, 4)];
      };
      // Between two rows there is room for a line that turns twice.
      const turns = (one, two) => {
        const [side, reach] = two[Y] > one[Y] ? [8 * near, 17 * near] : [-8 * near, -17 * near];
        const [sx, sy, ex, ey] = [one[X] + side, one[Y] + reach, two[X] + side, two[Y] - reach], middle = (sy + ey) / 2;
        return [sx, sy, sx, middle, (sx + ex) / 2, middle, ex, middle, ex, ey];
      };
      // The point at a part of the way.
      const pointAt = (line, part) => {
        const pieces = (line.length - 2) / 4, place = Math.min(Math.floor(part * pieces), pieces - 1), t = part * pieces - place;
        const [sx, sy, cx, cy, ex, ey] = line.slice(4 * place, 4 * place + 6);
        return [(1 - t) ** 2 * sx + 2 * t * (1 - t) * cx + t * t * ex, (1 - t) ** 2 * sy + 2 * t * (1 - t) * cy + t * t * ey];
      };
      // How many workloads a line runs through.
      const hits = (line, others) => {
        if (others.length === 0) return 0;
        const points = [];
        for (let step = 1; step < 32; step += 1) points.push(pointAt(line, step / 32));
        return others.filter(node => points.some(([x, y]) => Math.abs(x - node[X]) < node[WIDTH] * near / 2 + 2 && Math.abs(y - node[Y]) < 17 * near)).length;
      };
      const draw = (index, obstacles) => {
        const edge = data.edges[index], one = data.nodes[edge[FROM]], two = data.nodes[edge[TO]];
        const others = obstacles.filter(node => node !== one && node !== two);
        let best = curve(one, two, 1), fewest = hits(best, others);
        for (const bend of [0, 2.4, -2.4, 4, -4, 6, -6]) {
          if (fewest === 0) break;
          if (bend === 0 && Math.abs(two[Y] - one[Y]) <= 60 * near) continue;
          const other = bend === 0 ? turns(one, two) : curve(one, two, bend), count = hits(other, others);
          if (count < fewest) [best, fewest] = [other, count];
        }
        let drawing = `M${best[0]} ${best[1]}`;
        for (let place = 2; place < best.length; place += 4) drawing += "Q" + best.slice(place, place + 4).join(" ");
        const [mx, my] = pointAt(best, .6);
        const space = "http://www.w3.org/2000/svg", group = document.createElementNS(space, "g");
        group.setAttribute("class", "e " + edge[PROTECTION] + " " + edge[ACCESS]);
        for (const name of ["hit", "line"]) {
          const path = document.createElementNS(space, "path");
          path.setAttribute("class", name);
          path.setAttribute("d", drawing);
          if (name === "line") path.setAttribute("marker-end", "url(#to-" + edge[PROTECTION] + ")");
          group.append(path);
        }
        const mark = document.createElementNS(space, "use");
        mark.setAttribute("href", "#is-" + edge[PROTECTION]);
        mark.setAttribute("transform", `translate(${mx} ${my}) scale(${near}) translate(-7 -8)`);
        group.append(mark);
        group.dataset.e = index;
        edgeLayer.append(group);
        drawn.set(index, group);
      };

      const update = () => {
        const text = search.value.trim().toLowerCase();
        const found = new Set();
        data.nodes.forEach((node, index) => {
          if (text && [full(index), node[ACCOUNT], node[KIND]].some(part => part.toLowerCase().includes(text))) found.add(index);
        });
        const wanted = new Set(found);
        for (const index of found) {
          for (const edge of outOf[index]) wanted.add(data.edges[edge][TO]);
          for (const edge of into[index]) wanted.add(data.edges[edge][FROM]);
        }
        if (chosenNode !== null) {
          wanted.clear();
          wanted.add(chosenNode);
          for (const edge of outOf[chosenNode]) wanted.add(data.edges[edge][TO]);
          for (const edge of into[chosenNode]) wanted.add(data.edges[edge][FROM]);
        }
        const isNarrowed = text !== "" || chosenNode !== null;
        const isGone = index => hidden.has(data.nodes[index][SPACE]);
        const isShown = index => !isGone(index) && (!isNarrowed || wanted.has(index));
        nodes.forEach(element => {
          const index = Number(element.dataset.n);
          element.classList.toggle("gone", isGone(index));
          element.classList.toggle("dim", !isShown(index));
          element.classList.toggle("found", found.has(index));
          element.classList.toggle("near", (isNarrowed || hidden.size > 0) && isShown(index));
          element.classList.toggle("chosen", index === chosenNode);
        });
        const touches = edge => chosenNode !== null ? edge[FROM] === chosenNode || edge[TO] === chosenNode
          : !text || found.has(edge[FROM]) || found.has(edge[TO]);
        const isVisible = edge => touches(edge) && isShown(edge[FROM]) && isShown(edge[TO]) && (denied.checked || edge[ACCESS] !== "none");
        let isBundled = data.bundled && !isNarrowed;
        if (data.bundled) {
          for (const [index, element] of drawn) { element.remove(); drawn.delete(index); }
          const lines = [];
          if (isNarrowed || hidden.size > 0) data.edges.forEach((edge, index) => { if (isVisible(edge)) lines.push(index); });
          // Of few namespaces there is room for the lines themselves.
          if (hidden.size > 0 && lines.length <= 400) isBundled = false;
          if (isBundled) lines.length = 0;
          lines.length = Math.min(lines.length, 3000);
          if (chosenEdge !== null && !lines.includes(chosenEdge)) lines.push(chosenEdge);
          const shown = lines.length > 400 ? [] : data.nodes.filter((_, index) => isShown(index));
          for (const index of lines) draw(index, shown.length > 150 ? [] : shown);
        }
        for (const [index, element] of drawn) {
          const edge = data.edges[index];
          element.classList.toggle("dim", !isVisible(edge) && index !== chosenEdge);
          element.classList.toggle("chosen", index === chosenEdge);
        }
        const isAway = place => hidden.has(data.groups[Number(place)]);
        boxes.forEach(element => element.classList.toggle("gone", isAway(element.dataset.g)));
        bundles.forEach(element => element.classList.toggle("dim", !isBundled || isAway(element.dataset.a) || isAway(element.dataset.b)));
      };

      const list = (title, edges, end) => {
        const shown = edges.filter(index => denied.checked || data.edges[index][ACCESS] !== "none");
        panel.append(make("h3", `${title} (${shown.length})`));
        for (const index of shown) {
          const edge = data.edges[index];
          const button = make("button", `${full(edge[end])}: ${word(edge)}`, edge[PROTECTION]);
          button.addEventListener("click", () => chooseEdge(index));
          panel.append(button);
        }
      };
      const show = () => {
        panel.replaceChildren();
        if (chosenEdge !== null) {
          const edge = data.edges[chosenEdge];
          panel.append(make("h2", `${full(edge[FROM])} → ${full(edge[TO])}`), make("p", word(edge)));
          for (const place of edge[PORTS]) {
            const [host, port, access, reason, rule, location, security, outcome] = data.details[place];
            const part = make("div", undefined, "port");
            part.append(make("p", port === null ? host : `${host}:${port}`), make("p", `${access}: ${reason}`));
            if (rule !== null) part.append(make("code", rule), make("p", location, "weak"));
            part.append(make("p", `${security}: ${outcome}`));
            panel.append(part);
          }
          const back = make("button", "show the caller");
          back.addEventListener("click", () => chooseNode(edge[FROM]));
          panel.append(back);
        } else if (chosenNode !== null) {
          const node = data.nodes[chosenNode];
          panel.append(make("h2", full(chosenNode)));
          if (node[KIND]) panel.append(make("p", `${node[KIND]}, service account ${node[ACCOUNT]}`));
          panel.append(make("p", node[PROXY], "weak"));
          list("may call", outOf[chosenNode], TO);
          list("may be called by", into[chosenNode], FROM);
        } else if (search.value.trim()) {
          const found = nodes.filter(element => element.classList.contains("found")).map(element => Number(element.dataset.n));
          panel.append(make("h3", `found (${found.length})`));
          for (const index of found.slice(0, 300)) {
            const button = make("button", full(index));
            button.addEventListener("click", () => chooseNode(index));
            panel.append(button);
          }
        } else {
          panel.append(make("p", "Click a workload or a line. Drag to move, turn the wheel to zoom, press Escape to see everything again.", "weak"));
          if (data.bundled) panel.append(make("p", "There are too many pairs for one drawing: each arrow stands for all pairs of two namespaces. Choose or search a workload, or show a few namespaces, to see their own lines.", "weak"));
        }
      };
      const chooseNode = index => { [chosenNode, chosenEdge] = [index, null]; update(); show(); fit(); };
      const chooseEdge = index => { chosenEdge = index; update(); show(); };

      const ticks = spaces.map(space => {
        const label = make("label"), box = make("input");
        box.type = "checkbox";
        box.checked = true;
        box.addEventListener("change", () => { if (box.checked) hidden.delete(space); else hidden.add(space); update(); show(); fit(); });
        label.append(box, " " + (space === "" ? "(outside)" : space));
        return [space, box, label];
      });
      const all = isOn => {
        for (const [space, box] of ticks) { box.checked = isOn; if (isOn) hidden.delete(space); else hidden.add(space); }
        update(); show(); fit();
      };
      for (const [word, isOn] of [["all", true], ["none", false]]) {
        const button = make("button", word);
        button.type = "button";
        button.addEventListener("click", () => all(isOn));
        byId("namespaces").append(button);
      }
      byId("namespaces").append(...ticks.map(tick => tick[2]));
      byId("denied-label").hidden = byId("denied-key").hidden = !data.edges.some(edge => edge[ACCESS] === "none");
      denied.addEventListener("change", () => { update(); show(); });
      search.addEventListener("input", () => { [chosenNode, chosenEdge] = [null, null]; update(); show(); fit(); });

      const [, , wholeWidth, wholeHeight] = svg.getAttribute("viewBox").split(" ").map(Number);
      let view = [0, 0, wholeWidth, wholeHeight], drag = null, moved = false;
      const setView = () => svg.setAttribute("viewBox", view.join(" "));
      // How many times larger workloads may be drawn before two of them touch.
      const room = shown => Math.min(...shown.flatMap((one, index) => shown.slice(index + 1).map(two => Math.max(
        Math.abs(one[X] - two[X]) / ((one[WIDTH] + two[WIDTH]) / 2 + 12), Math.abs(one[Y] - two[Y]) / 44))));
      // In a large drawing, what was chosen or found is brought near.
      const fit = () => {
        if (!data.bundled) return;
        const shown = nodes.filter(element => !element.classList.contains("dim")).map(element => data.nodes[Number(element.dataset.n)]);
        if (shown.length === 0 || shown.length > 100) { view = [0, 0, wholeWidth, wholeHeight]; setView(); magnify(1); return; }
        const left = Math.min(...shown.map(node => node[X] - node[WIDTH] / 2)) - 60, right = Math.max(...shown.map(node => node[X] + node[WIDTH] / 2)) + 60;
        const top = Math.min(...shown.map(node => node[Y])) - 80, bottom = Math.max(...shown.map(node => node[Y])) + 80;
        const factor = shown.length > 60 ? 1 : Math.max(Math.min((right - left) / 1200, 4, room(shown)), 1), rim = 40 * (factor - 1);
        view = [left - rim, top - rim, Math.max(right - left, 500) + 2 * rim, Math.max(bottom - top, 300) + 2 * rim];
        setView();
        magnify(factor);
      };
      // Few workloads far apart are drawn larger than they are, so that their names can be read.
      const magnify = factor => {
        if (factor === near) return;
        near = factor;
        svg.style.setProperty("--near", near);
        svg.querySelectorAll("marker:not(#to-bundle)").forEach(marker => {
          marker.setAttribute("markerWidth", 7 * near);
          marker.setAttribute("markerHeight", 7 * near);
        });
        update();
      };
      svg.addEventListener("wheel", event => {
        event.preventDefault();
        const matrix = svg.getScreenCTM().inverse(), point = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix);
        const factor = Math.min(Math.max(Math.exp(event.deltaY * .0015), .5), 2), width = view[2] * factor;
        if (width < 80 || width > wholeWidth * 8) return;
        view = [point.x - (point.x - view[0]) * factor, point.y - (point.y - view[1]) * factor, width, view[3] * factor];
        setView();
      }, { passive: false });
      svg.addEventListener("pointerdown", event => { drag = [event.clientX, event.clientY, ...view]; moved = false; });
      window.addEventListener("pointermove", event => {
        if (!drag) return;
        const scale = 1 / svg.getScreenCTM().a, dx = event.clientX - drag[0], dy = event.clientY - drag[1];
        if (Math.hypot(dx, dy) > 4) moved = true;
        view = [drag[2] - dx * scale, drag[3] - dy * scale, drag[4], drag[5]];
        setView();
      });
      window.addEventListener("pointerup", () => { drag = null; });
      svg.addEventListener("click", event => {
        if (moved) return;
        const node = event.target.closest(".n"), edge = event.target.closest(".e");
        if (node) chooseNode(Number(node.dataset.n)); else if (edge) chooseEdge(Number(edge.dataset.e)); else chooseNode(null);
      });
      svg.addEventListener("keydown", event => {
        const node = event.target.closest(".n");
        if (node && event.key === "Enter") chooseNode(Number(node.dataset.n));
      });
      window.addEventListener("keydown", event => {
        if (event.key !== "Escape") return;
        byId("filter").open = false;
        search.value = "";
        view = [0, 0, wholeWidth, wholeHeight];
        setView();
        chooseNode(null);
      });
      window.addEventListener("pointerdown", event => { if (!event.target.closest("#filter")) byId("filter").open = false; });
      // A part of the address chooses a workload: `graph.html#shop/backend`.
      let named = "";
      try { named = decodeURIComponent(location.hash.slice(1)); } catch { named = ""; }
      const start = data.nodes.findIndex((_, index) => full(index) === named);
      if (named.startsWith("?")) search.value = named.slice(1);
      chooseNode(named && start >= 0 ? start : null);
      document.documentElement.dataset.ready = "yes";
    })();
    """
}
