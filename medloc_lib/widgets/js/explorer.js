// A function's picture before and after, their histograms, the score, and a control for each parameter.

const BINS = 128;

// Counts of BINS equal steps between the lowest and the highest value, one curve per colour.
const count = ({ pixels, depth, rows, cols }) => {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < pixels.length; i++) {
    if (pixels[i] < low) low = pixels[i];
    if (pixels[i] > high) high = pixels[i];
  }
  const scale = high > low ? BINS / (high - low) : 0;
  const n = rows * cols;
  const curves = Array.from({ length: depth }, (_, k) => {
    const bins = new Float64Array(BINS);
    for (let i = k * n; i < (k + 1) * n; i++) bins[Math.min(BINS - 1, Math.floor((pixels[i] - low) * scale))]++;
    return bins;
  });
  return { low, high, curves };
};

// A histogram as an SVG that takes the theme's text colour; counts on a square-root scale, the fullest bin cut off.
class Histogram {
  constructor(label) {
    const roles = { class: "medloc-histogram", role: "img", "aria-label": label };
    this.svg = shape("svg", { viewBox: `0 0 ${BINS} 60`, preserveAspectRatio: "none", ...roles });
    this.ends = node("div", { class: "medloc-ends" });
    this.root = node("div", {}, this.svg, this.ends);
  }

  show(image) {
    this.counted = count(image);
    const { low, high, curves } = this.counted;
    const roots = curves.map((bins) => bins.map(Math.sqrt));
    const sorted = roots.map((bins) => [...bins].sort((a, b) => b - a));
    const top = Math.max(1, ...sorted.map(([first, second]) => Math.min(first, 1.5 * second)));
    const colors = curves.length === 1 ? ["currentColor"] : ["#D55E00", "#009E73", "#0072B2"];
    this.svg.replaceChildren(...roots.map((bins, k) => {
      const steps = [...bins].map((x, i) => `V${(60 - 60 * Math.min(1, x / top)).toFixed(1)}H${i + 1}`).join("");
      return shape("path", { d: `M0 60${steps}V60`, fill: "none", [curves.length === 1 ? "fill" : "stroke"]: colors[k] });
    }));
    this.ends.replaceChildren(node("span", {}, text(low)), node("span", {}, text(high)));
  }

  // Two lines where black and white of the picture are.
  mark(window) {
    const { low, high } = this.counted;
    this.svg.querySelectorAll("line").forEach((line) => line.remove());
    for (const edge of window) {
      const x = (BINS * (edge - low)) / (high - low || 1);
      this.svg.append(shape("line", { x1: x, x2: x, y1: 0, y2: 60, stroke: "var(--jp-brand-color1, #1976d2)" }));
    }
  }
}

function render({ model, el }) {
  const facts = model.get("_facts");
  const { put, show, begin } = stage({ model, el });
  const controls = node("div", { class: "medloc-controls" });
  const parts = {};
  for (const { name, kind, min, max, step, choices } of facts.controls) {
    const change = (value) => put({ _raw: { ...model.get("_raw"), [name]: value } });
    const value = model.get("_raw")[name];
    if (kind === "slider") parts[name] = slider(name, { min, max, step, value }, change);
    else if (kind === "choice") parts[name] = select(name, choices, value, change);
    else if (kind === "matrix") parts[name] = matrix(name, value, change);
    else parts[name] = checkbox(name, value, change);
    controls.append(parts[name].root);
  }
  const more = {};
  if (facts.planes > 1) {
    const format = (x) => `${x} of ${facts.planes}`;
    const limits = { min: 0, max: facts.planes - 1, step: 1, value: model.get("plane"), format };
    more.plane = slider("plane", limits, (plane) => put({ plane }));
  }
  if (facts.channels.length > 1) {
    more.channel = select("channel", facts.channels, 0, (i) => put({ channel: facts.channels[i] }));
  }
  controls.append(...Object.values(more).map((part) => part.root));

  const panes = Object.fromEntries(["before", "after"].map((name) => {
    const pane = framed({ ...facts, label: `${facts.title}, ${name}` });
    pane.histogram = new Histogram(`histogram of the picture ${name}, square-root scale`);
    pane.root.append(pane.histogram.root);
    pane.onpaint = (window) => pane.histogram.mark(window);
    pane.picture.opacity = 0.4;
    pane.picture.onhover = (at) => point(at);
    return [name, pane];
  }));
  const { score, error, tell } = verdict();
  const readout = node("p", { class: "medloc-readout" }, "\u00a0");
  const pair = node("div", { class: "medloc-body" }, panes.before.root, panes.after.root);
  // What comes and goes stands below a picture that somebody draws on, so that it does not move under the hand.
  const body = node("div", {}, controls, ...(facts.labels ? [pair, score, error] : [score, error, pair]), readout);

  // One cursor in both pictures: which value became which.
  const point = (at) => {
    const shown = Object.values(panes).map((pane) => pane.picture);
    const inside = shown.map(({ image }) => (at && at.row < image.rows && at.col < image.cols ? at : null));
    shown.forEach((picture, i) => picture.point(inside[i]));
    const names = Object.keys(panes);
    const words = inside.map((here, i) => here && `${names[i]} ${shown[i].values(here).map(text).join(" ")}`);
    const place = at ? [`row ${at.row}, col ${at.col}`] : ["\u00a0"];
    readout.textContent = [...place, ...words.filter(Boolean)].join(" · ").replaceAll("-", "\u2212");
  };

  const mark = facts.labels ? marking({ facts, model, picture: panes.before.picture, controls, put, point }) : null;
  const load = (pane, { image, mask, window, marks }, buffers) => {
    const { picture, histogram } = pane;
    picture.mask = mask ? unpack(mask, buffers[mask.buffer]).pixels : null;
    const next = image.pixels ? image : unpack(image, buffers[image.buffer]);
    if (picture.image !== next) histogram.show(next);
    picture.show(next);
    picture.enclose(marks);
    pane.paint({ window });
  };
  let truth = null;
  model.on("msg:custom", ({ state }, buffers) => {
    if (!state) return;
    const { before, after } = state;
    if (before) {
      truth = before.mask ? unpack(before.mask, buffers[before.mask.buffer]).pixels : null;
      for (const pane of Object.values(panes)) pane.own = null;
      load(panes.before, { ...before, mask: null }, buffers);
    }
    if (!panes.before.picture.image) return;
    load(panes.after, { ...after, image: after.image ?? panes.before.picture.image }, buffers);
    if (mark) mark(unpack(state.marks, buffers[state.marks.buffer]).pixels);
    else panes.before.picture.mask = after.mask ? truth : null;
    panes.before.picture.request();
    panes.before.caption.textContent = mark ? "your marks" : "before";
    panes.after.caption.textContent = `${mark ? "what is made of them" : "after"}, ${state.seconds}`;
    tell(state, panes.after);
    show(body);
  });

  const update = () => {
    for (const [name, part] of Object.entries(parts)) part.set(model.get("_raw")[name]);
    more.plane?.set(model.get("plane"));
    more.channel?.set(facts.channels.indexOf(model.get("channel")));
  };
  return begin(["_raw", "plane", "channel"], update, Object.values(panes));
}

export default { render };
