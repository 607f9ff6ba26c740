// Channels side by side, a weight under each, and what they are fused to. One cursor in all of them.

function render({ model, el }) {
  const facts = model.get("_facts");
  const root = frame(el, facts.title);
  const poster = node("img", { class: "medloc-poster", alt: model.get("_alt") });
  poster.src = URL.createObjectURL(new Blob([model.get("_poster")], { type: "image/png" }));
  const note = node("p", { class: "medloc-note", role: "status" });
  root.append(poster, note);

  // The model sends the next values only when the last have been dealt with: a fast drag drops what nobody would see.
  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const names = Object.keys(model.get("_weights"));
  const controls = node("div", { class: "medloc-controls" });
  const rules = facts.rules.map((name) => name.replaceAll("_", " "));
  const rule = select("rule", rules, 0, (i) => put({ rule: facts.rules[i] }));
  controls.append(rule.root);
  let plane = null;
  if (facts.planes > 1) {
    const format = (x) => `${x} of ${facts.planes}`;
    const limits = { min: 0, max: facts.planes - 1, step: 1, value: model.get("plane"), format };
    plane = slider("plane", limits, (x) => put({ plane: x }));
    controls.append(plane.root);
  }

  // A pane for each channel, with its weight, and one for the fused picture.
  const weights = {};
  const keys = " Arrow keys: move the cursor in all pictures; with Shift by ten pixels. Escape: away with it.";
  const FUSED = ""; // no channel has this name
  const panes = new Map([...names, FUSED].map((name) => {
    const picture = new Picture({ ...facts, label: `${facts.title}: ${name || "fused"}`, keys });
    const pane = { picture, caption: node("p", { class: "medloc-caption" }, name), own: null, window: [0, 1] };
    picture.opacity = 0.4;
    picture.onwindow = (window) => paint(pane, { own: window });
    picture.onreset = () => paint(pane, { own: null });
    picture.onhover = (at) => at && point(at); // the cursor stays where the pointer left the picture
    picture.onkey = (event) => move(event);
    pane.root = node("div", { class: "medloc-pane" }, pane.caption, picture.root);
    picture.onsize = (width) => (pane.root.style.width = `${width}px`);
    if (name !== FUSED) {
      const limits = { min: -1, max: 1, step: 0.05, value: model.get("_weights")[name], format: signed };
      weights[name] = slider(name, limits, (w) => put({ _weights: { ...model.get("_weights"), [name]: w } }));
      weights[name].input.setAttribute("aria-label", `weight of ${name}`);
      weights[name].root.classList.add("medloc-weight");
      pane.root.append(weights[name].root);
    }
    return [name, pane];
  }));
  const paint = (pane, changes) => {
    Object.assign(pane, changes);
    pane.picture.window = pane.own ?? pane.window;
    pane.picture.request();
  };
  const score = node("p", { class: "medloc-score", role: "status", hidden: "" });
  const error = node("p", { class: "medloc-error", role: "alert", hidden: "" });
  const readout = node("p", { class: "medloc-readout" }, "\u00a0");
  const views = node("div", { class: "medloc-body" }, ...[...panes.values()].map((pane) => pane.root));
  const body = node("div", {}, controls, score, error, views, readout);

  let cursor = null;
  const point = (at) => {
    cursor = at;
    panes.forEach(({ picture }) => picture.point(at));
    readout.textContent = at ? reading(at) : "\u00a0";
  };
  const reading = (at) => {
    const words = [`row ${at.row}, col ${at.col}`];
    panes.forEach(({ picture }, name) => words.push(`${name || "fused"} ${text(picture.values(at)[0])}`));
    if (facts.affine) {
      const index = [facts.planes > 1 ? model.get("plane") : 0, at.row, at.col, 1];
      const mm = facts.affine.slice(0, 3).map((line) => line.reduce((sum, a, k) => sum + a * index[k], 0).toFixed(1));
      words.push(`x ${mm[0]}, y ${mm[1]}, z ${mm[2]} mm (LPS)`);
    }
    return words.join(" · ").replaceAll("-", "\u2212");
  };
  const move = ({ key, shiftKey }) => {
    if (key === "Escape" && cursor) {
      point(null);
      return true;
    }
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key];
    const { image } = panes.get(FUSED).picture;
    if (!step || !image) return false;
    const size = shiftKey ? 10 : 1;
    const inside = (x, n) => Math.max(0, Math.min(n - 1, x));
    const from = cursor ?? { row: image.rows >> 1, col: image.cols >> 1 };
    point({ row: inside(from.row + size * step[0], image.rows), col: inside(from.col + size * step[1], image.cols) });
    return true;
  };

  const load = (pane, { image, window, marks, mask }, buffers) => {
    pane.picture.mask = mask ? unpack(mask, buffers[mask.buffer]).pixels : null;
    pane.picture.show(unpack(image, buffers[image.buffer]));
    pane.picture.enclose(marks);
    paint(pane, { window });
  };
  model.on("msg:custom", ({ state }, buffers) => {
    if (!state) return;
    for (const [name, source] of Object.entries(state.sources ?? {})) load(panes.get(name), source, buffers);
    const fused = panes.get(FUSED);
    if (!panes.get(names[0]).picture.image) return; // not yet asked for
    load(fused, state.fused, buffers);
    fused.caption.textContent = `fused, ${state.seconds}`;
    score.textContent = state.score;
    score.hidden = !state.score;
    error.textContent = state.error;
    error.hidden = !state.error;
    fused.root.classList.toggle("medloc-stale", Boolean(state.error));
    if (!body.isConnected) {
      URL.revokeObjectURL(poster.src);
      root.replaceChildren(body);
    }
    point(cursor);
  });

  const update = () => {
    for (const name of names) weights[name].set(model.get("_weights")[name]);
    rule.set(facts.rules.indexOf(model.get("rule")));
    plane?.set(model.get("plane"));
  };
  for (const name of ["_weights", "rule", "plane"]) model.on(`change:${name}`, update);
  update();
  model.send({ ready: true });
  const patience = setTimeout(() => {
    if (!body.isConnected) note.textContent = "This is a still: no kernel answers yet. Run the cell again to move it.";
  }, 3000);
  return () => {
    clearTimeout(patience);
    panes.forEach(({ picture }) => picture.close());
  };
}

const signed = (x) => text(x).replace("-", "\u2212");

export default { render };
