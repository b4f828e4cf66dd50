// The style of the page, for light and dark screens.

extension GraphPage {
  static let style = """
    :root{color-scheme:light dark;--ink:#16202e;--soft:#3d4859;--weak:#5b6778;--paper:#fff;--ground:#fcfdfe;--rule:#d8dde5;--frame:#8a94a6;
    --hover:#eef2f7;--found:#fff6bf;--chosen:#0b57d0}
    *{box-sizing:border-box}html,body{height:100%;margin:0}
    body{display:flex;flex-direction:column;font:14px system-ui,sans-serif;color:var(--ink);background:var(--paper)}
    header{display:flex;gap:14px;align-items:center;padding:8px 14px;border-bottom:1px solid var(--rule);flex-wrap:wrap}
    h1{font-size:16px;margin:0}#search{flex:0 1 320px;padding:5px 8px;font:inherit;color:inherit;background:var(--paper);border:1px solid var(--frame);border-radius:6px}
    #count{color:var(--weak);margin-left:auto}#filter{position:relative}#filter summary{cursor:pointer}
    #namespaces{position:absolute;z-index:2;background:var(--paper);border:1px solid var(--frame);border-radius:6px;padding:8px;max-height:60vh;overflow:auto;min-width:180px}
    #namespaces label{display:block;white-space:nowrap}#namespaces button{font:inherit;margin:0 6px 6px 0}
    main{flex:1;display:flex;min-height:0}#drawing{flex:1;min-width:0;overflow:hidden;background:var(--ground)}
    #drawing svg{width:100%;height:100%;cursor:grab;touch-action:none;user-select:none}
    aside{width:360px;border-left:1px solid var(--rule);padding:12px 14px;overflow:auto}
    aside h2{font-size:15px;margin:0 0 4px;overflow-wrap:anywhere}aside h3{font-size:13px;margin:14px 0 4px;color:var(--soft)}
    aside p{margin:3px 0;overflow-wrap:anywhere}aside button{display:block;width:100%;text-align:left;font:inherit;color:inherit;background:none;border:0;
    border-left:4px solid var(--frame);padding:3px 8px;margin:2px 0;cursor:pointer;overflow-wrap:anywhere}
    aside button:hover,aside button:focus{background:var(--hover)}aside button.mTLS{border-color:#1a7f4b}aside button.open{border-color:#b45309}
    aside button.failure{border-color:#c0262d}aside .port{border-top:1px solid var(--rule);margin-top:8px;padding-top:6px}
    aside code{font-size:12px;overflow-wrap:anywhere}.weak{color:var(--weak)}
    footer svg{vertical-align:-3px}footer{display:flex;gap:18px;flex-wrap:wrap;padding:6px 14px;border-top:1px solid var(--rule);color:var(--soft);font-size:13px}.from{margin-left:auto}

    """

  /// Behind the drawing's own style, so that it wins.
  static let laterStyle = """
    .n.near{transform-box:fill-box;transform-origin:center;transform:scale(var(--near,1))}.e .line,.bundle .line{vector-effect:non-scaling-stroke}
    .dim{opacity:.12}.e.dim,.bundle.dim,.gone{display:none}.n{cursor:pointer}.e{cursor:pointer}
    .n.chosen rect{stroke:var(--chosen);stroke-width:3}.n.found rect{fill:var(--found)}.n:focus{outline:none}.n:focus rect{stroke:var(--chosen);stroke-width:2.4}
    .e.chosen .line{stroke-width:3.4}
    @media(max-width:800px){main{flex-direction:column}aside{width:auto;max-height:40vh;border-left:0;border-top:1px solid var(--rule)}}
    @media(prefers-color-scheme:dark){
    :root{--ink:#e6ebf2;--soft:#c2cddb;--weak:#9aa7b8;--paper:#141a22;--ground:#0d1117;--rule:#2b3440;--frame:#6c7a8d;--hover:#232d39;--found:#574700;--chosen:#7fb2ff}
    .ns rect{fill:#151c25;stroke:#3a4656}.ns text,.bundle text{fill:#c2cddb}.bundle text{stroke:#0d1117}.ns text{stroke:#151c25}
    .n rect{fill:#202b38;stroke:#8593a6}.n text{fill:#e6ebf2}.n.outside rect{fill:#3a2e1a}.n.gateway rect,.n.waypoint rect{fill:#1d2c49}
    .e.mTLS .line{stroke:#3fb97c}.e.open .line{stroke:#e39b4b}.e.failure .line{stroke:#ff7378}.e.denied .line{stroke:#8b97a8}.bundle .line{stroke:#8b99ad}
    #to-mTLS path{fill:#3fb97c}#to-open path{fill:#e39b4b}#to-failure path{fill:#ff7378}#to-denied path{fill:#8b97a8}#to-bundle path{fill:#8b99ad}
    #is-mTLS path{stroke:#3fb97c}#is-mTLS rect{fill:#3fb97c;stroke:#0d1117}#is-open path,#is-open rect{stroke:#e39b4b}#is-open rect{fill:#0d1117}
    #is-denied path{stroke:#8b97a8}aside button.mTLS{border-color:#3fb97c}aside button.open{border-color:#e39b4b}aside button.failure{border-color:#ff7378}}

    """
}
