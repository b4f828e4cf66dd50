// The style and the script of the page. They hold no text of a manifest; what they show is in the page's data.

extension GraphPage {
  static let style = """
    *{box-sizing:border-box}html,body{height:100%;margin:0}
    body{display:flex;flex-direction:column;font:14px system-ui,sans-serif;color:#16202e;background:#fff}
    header{display:flex;gap:14px;align-items:center;padding:8px 14px;border-bottom:1px solid #d8dde5;flex-wrap:wrap}
    h1{font-size:16px;margin:0}#search{flex:0 1 320px;padding:5px 8px;font:inherit;border:1px solid #aab3c0;border-radius:6px}
    #count{color:#5b6778;margin-left:auto}#filter{position:relative}
    #namespaces{position:absolute;z-index:2;background:#fff;border:1px solid #aab3c0;border-radius:6px;padding:8px;max-height:60vh;overflow:auto;min-width:180px}
    #namespaces label{display:block;white-space:nowrap}
    main{flex:1;display:flex;min-height:0}#drawing{flex:1;min-width:0;overflow:hidden;background:#fcfdfe}
    #drawing svg{width:100%;height:100%;cursor:grab;touch-action:none;user-select:none}
    aside{width:360px;border-left:1px solid #d8dde5;padding:12px 14px;overflow:auto}
    aside h2{font-size:15px;margin:0 0 4px;overflow-wrap:anywhere}aside h3{font-size:13px;margin:14px 0 4px;color:#3d4859}
    aside p{margin:3px 0;overflow-wrap:anywhere}aside button{display:block;width:100%;text-align:left;font:inherit;background:none;border:0;
    border-left:4px solid #9aa3b2;padding:3px 8px;margin:2px 0;cursor:pointer;overflow-wrap:anywhere}
    aside button:hover,aside button:focus{background:#eef2f7}aside button.mTLS{border-color:#1a7f4b}aside button.open{border-color:#b45309}
    aside button.failure{border-color:#c0262d}aside .port{border-top:1px solid #e3e7ed;margin-top:8px;padding-top:6px}
    aside code{font-size:12px;overflow-wrap:anywhere}.weak{color:#5b6778}
    footer svg{vertical-align:-3px}footer{display:flex;gap:18px;flex-wrap:wrap;padding:6px 14px;border-top:1px solid #d8dde5;color:#3d4859;font-size:13px}.from{margin-left:auto}
    .n.near{transform-box:fill-box;transform-origin:center;transform:scale(var(--near,1))}.e .line,.bundle .line{vector-effect:non-scaling-stroke}
    .dim{opacity:.12}.e.dim,.bundle.dim{display:none}.n{cursor:pointer}.e{cursor:pointer}
    .n.chosen rect{stroke:#0b57d0;stroke-width:3}.n.found rect{fill:#fff6bf}.n:focus{outline:none}.n:focus rect{stroke:#0b57d0;stroke-width:2.4}
    .e.chosen .line{stroke-width:3.4}
    @media(max-width:800px){main{flex-direction:column}aside{width:auto;max-height:40vh;border-left:0;border-top:1px solid #d8dde5}}

    """

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
      const nodes = [...svg.querySelectorAll(".n")], bundles = [...svg.querySelectorAll(".bundle")];
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
      const draw = index => {
        const edge = data.edges[index], one = data.nodes[edge[FROM]], two = data.nodes[edge[TO]];
        const dx = two[X] - one[X], dy = two[Y] - one[Y], length = Math.max(Math.hypot(dx, dy), 1), bend = Math.min(26, length * .12);
        const cx = (one[X] + two[X]) / 2 + dy / length * bend, cy = (one[Y] + two[Y]) / 2 - dx / length * bend;
        const [sx, sy] = border(one, cx, cy, 0), [ex, ey] = border(two, cx, cy, 4);
        const space = "http://www.w3.org/2000/svg", group = document.createElementNS(space, "g");
        group.setAttribute("class", "e " + edge[PROTECTION] + " " + edge[ACCESS]);
        for (const name of ["hit", "line"]) {
          const path = document.createElementNS(space, "path");
          path.setAttribute("class", name);
          path.setAttribute("d", `M${sx} ${sy}Q${cx} ${cy} ${ex} ${ey}`);
          if (name === "line") path.setAttribute("marker-end", "url(#to-" + edge[PROTECTION] + ")");
          group.append(path);
        }
        const mark = document.createElementNS(space, "use");
        mark.setAttribute("href", "#is-" + edge[PROTECTION]);
        mark.setAttribute("transform", `translate(${.16 * sx + .48 * cx + .36 * ex} ${.16 * sy + .48 * cy + .36 * ey}) scale(${near}) translate(-7 -8)`);
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
        const isShown = index => !hidden.has(data.nodes[index][SPACE]) && (!isNarrowed || wanted.has(index));
        nodes.forEach(element => {
          const index = Number(element.dataset.n);
          element.classList.toggle("dim", !isShown(index));
          element.classList.toggle("found", found.has(index));
          element.classList.toggle("near", isNarrowed && isShown(index));
          element.classList.toggle("chosen", index === chosenNode);
        });
        const touches = edge => chosenNode !== null ? edge[FROM] === chosenNode || edge[TO] === chosenNode
          : !text || found.has(edge[FROM]) || found.has(edge[TO]);
        if (data.bundled) {
          for (const [index, element] of drawn) { element.remove(); drawn.delete(index); }
          let left = 3000;
          if (isNarrowed || chosenEdge !== null) data.edges.forEach((edge, index) => {
            if (left > 0 && (touches(edge) || index === chosenEdge)) { draw(index); left -= 1; }
          });
        }
        for (const [index, element] of drawn) {
          const edge = data.edges[index];
          const isVisible = touches(edge) && isShown(edge[FROM]) && isShown(edge[TO]) && (denied.checked || edge[ACCESS] !== "none");
          element.classList.toggle("dim", !isVisible && index !== chosenEdge);
          element.classList.toggle("chosen", index === chosenEdge);
        }
        bundles.forEach(element => element.classList.toggle("dim", isNarrowed || hidden.size > 0));
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
          if (data.bundled) panel.append(make("p", "There are too many pairs for one drawing: each arrow stands for all pairs of two namespaces. Choose or search a workload to see its own.", "weak"));
        }
      };
      const chooseNode = index => { [chosenNode, chosenEdge] = [index, null]; update(); show(); fit(); };
      const chooseEdge = index => { chosenEdge = index; update(); show(); };

      spaces.forEach(space => {
        const label = make("label"), box = make("input");
        box.type = "checkbox";
        box.checked = true;
        box.addEventListener("change", () => { if (box.checked) hidden.delete(space); else hidden.add(space); update(); });
        label.append(box, " " + (space === "" ? "(outside)" : space));
        byId("namespaces").append(label);
      });
      byId("denied-label").hidden = !data.edges.some(edge => edge[ACCESS] === "none");
      denied.addEventListener("change", () => { update(); show(); });
      search.addEventListener("input", () => { [chosenNode, chosenEdge] = [null, null]; update(); show(); fit(); });

      const [, , wholeWidth, wholeHeight] = svg.getAttribute("viewBox").split(" ").map(Number);
      let view = [0, 0, wholeWidth, wholeHeight], drag = null, moved = false;
      const setView = () => svg.setAttribute("viewBox", view.join(" "));
      // In a large drawing, what was chosen or found is brought near.
      const fit = () => {
        if (!data.bundled) return;
        const shown = nodes.filter(element => !element.classList.contains("dim")).map(element => data.nodes[Number(element.dataset.n)]);
        if (shown.length === 0 || shown.length === nodes.length) { view = [0, 0, wholeWidth, wholeHeight]; setView(); magnify(1); return; }
        const left = Math.min(...shown.map(node => node[X] - node[WIDTH] / 2)) - 60, right = Math.max(...shown.map(node => node[X] + node[WIDTH] / 2)) + 60;
        const top = Math.min(...shown.map(node => node[Y])) - 80, bottom = Math.max(...shown.map(node => node[Y])) + 80;
        const factor = shown.length > 60 ? 1 : Math.min(Math.max((right - left) / 1200, 1), 4), room = 40 * (factor - 1);
        view = [left - room, top - room, Math.max(right - left, 500) + 2 * room, Math.max(bottom - top, 300) + 2 * room];
        setView();
        magnify(factor);
      };
      // Few workloads far apart are drawn larger than they are, so that their names can be read.
      const magnify = factor => {
        if (factor === near) return;
        near = factor;
        svg.style.setProperty("--near", near);
        svg.querySelectorAll("marker").forEach(marker => {
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
        search.value = "";
        view = [0, 0, wholeWidth, wholeHeight];
        setView();
        chooseNode(null);
      });
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
