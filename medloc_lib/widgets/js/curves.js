// How a training goes: the loss of the steps, the score of the epochs, and a button that ends it.

const [WIDE, HIGH] = [320, 130];

// One curve over the steps, between its own lowest and highest value.
class Curve {
  constructor(label, color) {
    this.svg = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "medloc-curve", role: "img" });
    this.caption = node("p", { class: "medloc-caption" });
    this.root = node("div", { class: "medloc-pane" }, this.caption, this.svg);
    Object.assign(this, { label, color });
    this.show([], 1);
  }

  show(points, steps, low = Infinity, high = -Infinity) {
    const finite = points.filter(([, y]) => Number.isFinite(y));
    for (const [, y] of finite) [low, high] = [Math.min(low, y), Math.max(high, y)];
    const [left, top, bottom] = [44, 8, HIGH - 18];
    const x = (step) => left + ((WIDE - left - 8) * step) / steps;
    const y = (value) => (high > low ? bottom - ((bottom - top) * (value - low)) / (high - low) : (top + bottom) / 2);
    const axis = { stroke: "currentColor", "stroke-width": 1, opacity: 0.5 };
    const word = (text, at) => {
      const made = shape("text", { "font-size": 11, fill: "currentColor", ...at });
      made.textContent = text;
      return made;
    };
    const parts = [
      shape("line", { x1: left, x2: left, y1: top, y2: bottom, ...axis }),
      shape("line", { x1: left, x2: WIDE - 8, y1: bottom, y2: bottom, ...axis }),
      word("0", { x: left, y: HIGH - 4 }),
      word(`${steps} steps`, { x: WIDE - 8, y: HIGH - 4, "text-anchor": "end" }),
    ];
    if (finite.length) {
      parts.push(word(text(high), { x: left - 4, y: top + 8, "text-anchor": "end" }));
      parts.push(word(text(low), { x: left - 4, y: bottom, "text-anchor": "end" }));
      const path = finite.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
      parts.push(shape("polyline", { points: path, fill: "none", stroke: this.color, "stroke-width": 2 }));
      const [step, value] = finite[finite.length - 1];
      parts.push(shape("circle", { cx: x(step), cy: y(value), r: 3, fill: this.color }));
    }
    this.svg.replaceChildren(...parts);
    const last = finite.length ? ` ${text(finite[finite.length - 1][1])}` : "";
    this.caption.textContent = `${this.label}${last}`;
    this.svg.setAttribute("aria-label", `${this.label}${last}, over ${steps} steps`);
  }
}

function render({ model, el }) {
  const root = frame(el, model.get("_facts").title);
  const loss = new Curve("loss", "#D55E00");
  const score = new Curve("score", "#0072B2");
  const status = node("p", { class: "medloc-score", role: "status" });
  const button = node("button", { ...KEYS, type: "button", class: "medloc-button" }, "Stop and keep the best");
  button.addEventListener("click", () => {
    model.set("stop", true);
    model.save_changes();
  });
  const body = node("div", { class: "medloc-body" }, loss.root, score.root);
  root.append(status, body, button);

  const update = () => {
    const { step, steps, losses, scores, metric, words, over } = model.get("_state");
    const begun = step !== undefined;
    status.textContent = begun ? words : `${model.get("_facts").title}: not begun`;
    button.disabled = !begun || over || model.get("stop");
    if (!begun) return;
    score.label = metric;
    loss.show(losses, steps);
    score.show(scores, steps, 0, 0);
    if (model.get("stop")) button.textContent = "Stopped";
    else button.textContent = over ? "Finished" : "Stop and keep the best";
  };
  model.on("change:_state", update);
  model.on("change:stop", update);
  update();
}

export default { render };
