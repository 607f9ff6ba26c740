// Scores against a label budget: a slider, a line at the budget, and the scores there.

const [WIDE, HIGH, LEFT, BASE] = [420, 240, 40, 214];

function render({ model, el }) {
  const { budgets, unit, ceiling, curves } = model.get("_facts");
  const root = frame(el, `scores against ${unit}`);
  const last = budgets[budgets.length - 1];
  const most = Math.max(ceiling, ...curves.flatMap(({ points }) => points.map((p) => p[2]))) * 1.05;
  const x = (n) => LEFT + ((WIDE - LEFT - 12) * n) / last;
  const y = (score) => BASE - ((BASE - 8) * score) / most;
  const format = (step) => `${budgets[step]}`;
  const put = (step) => {
    model.set("step", step);
    model.save_changes();
  };
  const control = slider(unit, { min: 0, max: budgets.length - 1, step: 1, value: model.get("step"), format }, put);
  const svg = shape("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `scores against ${unit}` });
  svg.style.width = `${WIDE}px`;
  svg.style.maxWidth = "100%";
  const list = node("ul", { class: "medloc-caption medloc-budget" });
  const status = node("p", { class: "medloc-score", role: "status" });

  const word = (text, at) => shape("text", { "font-size": 11, fill: "currentColor", ...at }, text);
  const axis = { stroke: "currentColor", opacity: 0.5 };
  svg.append(
    shape("line", { x1: LEFT, x2: LEFT, y1: 8, y2: BASE, ...axis }),
    shape("line", { x1: LEFT, x2: WIDE - 12, y1: BASE, y2: BASE, ...axis }),
    shape("line", { x1: LEFT, x2: WIDE - 12, y1: y(ceiling), y2: y(ceiling), stroke: "currentColor" }),
    word("all labels", { x: LEFT + 6, y: y(ceiling) - 4 }),
    ...budgets.map((n) => word(`${n}`, { x: x(n), y: HIGH - 10, "text-anchor": "middle" })),
    ...[0, 0.2, 0.4, 0.6, 0.8].filter((s) => s < most).map((s) =>
      word(s.toFixed(1), { x: LEFT - 5, y: y(s) + 4, "text-anchor": "end" })),
  );
  for (const { color, points } of curves) {
    const path = points.map(([score], i) => `${x(budgets[i])},${y(score)}`).join(" ");
    svg.append(shape("polyline", { points: path, fill: "none", stroke: color, "stroke-width": 2 }));
  }
  const line = shape("line", { y1: 8, y2: BASE, stroke: "currentColor", "stroke-dasharray": "3 3", class: "medloc-at" });
  svg.append(line);
  root.append(control.root, status, node("div", { class: "medloc-body" }, svg, list));

  const update = () => {
    const step = model.get("step");
    control.set(step);
    line.setAttribute("x1", x(budgets[step]));
    line.setAttribute("x2", x(budgets[step]));
    status.textContent = `${budgets[step]} ${unit}`;
    const ordered = [...curves].sort((a, b) => b.points[step][0] - a.points[step][0]);
    list.replaceChildren(...ordered.map(({ name, color, points }) => {
      const [value, low, high] = points[step];
      const dot = node("span", { class: "medloc-dot" });
      dot.style.background = color;
      const share = Math.round((100 * value) / ceiling);
      const said = `${name} ${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}], ${share} % of all labels`;
      return node("li", {}, dot, said);
    }));
  };
  model.on("change:step", update);
  update();
}

export default { render };
