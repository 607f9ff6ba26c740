// Channels side by side, a weight under each, and what they are fused to. One cursor in all of them.

function render({ model, el }) {
  const facts = model.get("_facts");
  const { put, show, begin } = stage({ model, el });
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
    const pane = framed({ ...facts, label: `${facts.title}: ${name || "fused"}`, keys });
    const { picture } = pane;
    pane.caption.textContent = name;
    picture.opacity = 0.4;
    picture.onhover = (at) => at && point(at); // the cursor stays where the pointer left the picture
    picture.onkey = (event) => move(event);
    if (name !== FUSED) {
      const limits = { min: -1, max: 1, step: 0.05, value: model.get("_weights")[name], format: signed };
      weights[name] = slider(name, limits, (w) => put({ _weights: { ...model.get("_weights"), [name]: w } }));
      weights[name].input.setAttribute("aria-label", `weight of ${name}`);
      weights[name].root.classList.add("medloc-weight");
      pane.root.append(weights[name].root);
    }
    return [name, pane];
  }));
  const { score, error, tell } = verdict();
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
    if (facts.affine) words.push(inMm(facts.affine, facts.planes > 1 ? model.get("plane") : 0, at));
    return words.join(" · ").replaceAll("-", "\u2212");
  };
  const move = (event) => {
    const { image } = panes.get(FUSED).picture;
    const at = event.key === "Escape" || !image ? null : stepped(event, cursor, image);
    if (!at && !(event.key === "Escape" && cursor)) return false;
    point(at);
    return true;
  };

  const load = (pane, { image, window, marks, mask }, buffers) => {
    pane.picture.mask = mask ? unpack(mask, buffers[mask.buffer]).pixels : null;
    pane.picture.show(unpack(image, buffers[image.buffer]));
    pane.picture.enclose(marks);
    pane.paint({ window });
  };
  model.on("msg:custom", ({ state }, buffers) => {
    if (!state) return;
    for (const [name, source] of Object.entries(state.sources ?? {})) load(panes.get(name), source, buffers);
    const fused = panes.get(FUSED);
    if (!panes.get(names[0]).picture.image) return; // not yet asked for
    load(fused, state.fused, buffers);
    fused.caption.textContent = `fused, ${state.seconds}`;
    tell(state, fused);
    show(body);
    point(cursor);
  });

  const update = () => {
    for (const name of names) weights[name].set(model.get("_weights")[name]);
    rule.set(facts.rules.indexOf(model.get("rule")));
    plane?.set(model.get("plane"));
  };
  return begin(["_weights", "rule", "plane"], update, panes);
}

const signed = (x) => text(x).replace("-", "\u2212");

export default { render };
