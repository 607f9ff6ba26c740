// Candidates as points, one of them in its picture, and a threshold whose sensitivity and false alarms follow at once.

const SPACE = { wide: 460, tall: 380, margin: 14 };

function render({ model, el }) {
  const facts = model.get("_facts");
  const { truth, scores, order, curve, truths, truthColors, grid } = facts;
  const n = scores.length;
  const { put, show, begin } = stage({ model, el });
  const [lowest, highest] = [scores[order[n - 1]], scores[order[0]]];
  const step = (highest - lowest) / 400 || 1;
  const limits = { min: lowest, max: highest + step, step: "any", value: model.get("threshold"), format: short };
  const colorings = ["truth", "score"];
  const parts = {
    x: select("across", facts.names, 0, (i) => put({ x: facts.names[i] })),
    y: select("up", facts.names, 1, (i) => put({ y: facts.names[i] })),
    color: select("colour", colorings, 0, (i) => put({ color: colorings[i] })),
    threshold: slider("threshold", limits, (t) => put({ threshold: t })),
  };
  const controls = node("div", { class: "medloc-controls" }, ...Object.values(parts).map((part) => part.root));

  const canvas = node("canvas", {
    ...KEYS, class: "medloc-space", role: "application", tabindex: 0, "aria-roledescription": "scatter plot",
    "aria-label": `${facts.title}. Arrow keys: the next less sure or surer candidate.`,
  });
  canvas.title = "Click a point, or walk with the arrow keys through the candidates from the surest on.";
  canvas.style.width = `${SPACE.wide}px`;
  canvas.style.height = `${SPACE.tall}px`;
  const legend = node("p", { class: "medloc-caption medloc-legend" });
  const scatter = node("div", { class: "medloc-pane" }, legend, canvas);
  scatter.style.width = `${SPACE.wide}px`;

  const panes = Object.fromEntries(["picture", "patch"].map((name) => {
    const size = name === "patch" ? 180 : facts.size;
    return [name, framed({ ...facts, size, label: `the candidate's ${name}` })];
  }));
  const score = node("p", { class: "medloc-score", role: "status" });
  const views = node("div", { class: "medloc-body" }, scatter, panes.picture.root, panes.patch.root);
  const body = node("div", {}, controls, score, views);

  let [xy, shares, edges] = [null, null, null];
  const at = (k) => {
    const [x0, x1, y0, y1] = edges;
    const inner = (value, low, high) => Math.max(0, Math.min(1, (value - low) / (high - low)));
    const { wide, tall, margin } = SPACE;
    return [
      margin + inner(xy[k], x0, x1) * (wide - 2 * margin),
      tall - margin - inner(xy[n + k], y0, y1) * (tall - 2 * margin),
    ];
  };

  // Points from the least to the most interesting, so that lesions lie on top.
  const layers = [0, 1, 3, 2].map((kind) => order.filter((k) => truth[k] === kind).reverse());
  const draw = () => {
    if (!xy) return;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = SPACE.wide * ratio;
    canvas.height = SPACE.tall * ratio;
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const ink = getComputedStyle(canvas).color;
    const level = model.get("threshold");
    const byTruth = model.get("color") === "truth";
    for (const layer of layers) {
      for (const k of layer) {
        const [x, y] = at(k);
        pen.globalAlpha = scores[k] >= level ? 0.9 : 0.14;
        pen.fillStyle = byTruth ? truthColors[truth[k]] : viridis((scores[k] - lowest) / (highest - lowest || 1));
        pen.beginPath();
        pen.arc(x, y, 2.6, 0, 7);
        pen.fill();
      }
    }
    pen.globalAlpha = 1;
    pen.strokeStyle = ink;
    pen.lineWidth = 1.4;
    contour(pen, scores.filter((s) => s >= level).length / n);
    const [x, y] = at(model.get("selected"));
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x, y, 7, 0, 7);
    pen.stroke();
  };

  // The line along which the grid of shares passes `level`, cell by cell (marching squares).
  const contour = (pen, level) => {
    const { wide, tall, margin } = SPACE;
    const [dx, dy] = [(wide - 2 * margin) / grid, (tall - 2 * margin) / grid];
    const place = (col, row) => [margin + (col + 0.5) * dx, tall - margin - (row + 0.5) * dy];
    const value = (col, row) => shares[row * grid + col] - level;
    pen.beginPath();
    for (let row = 0; row < grid - 1; row++) {
      for (let col = 0; col < grid - 1; col++) {
        const ring = [[col, row], [col + 1, row], [col + 1, row + 1], [col, row + 1]];
        const crossed = [];
        ring.forEach((from, i) => {
          const to = ring[(i + 1) % 4];
          const [a, b] = [value(...from), value(...to)];
          if (a <= 0 === b <= 0) return;
          const part = a / (a - b);
          crossed.push(place(from[0] + (to[0] - from[0]) * part, from[1] + (to[1] - from[1]) * part));
        });
        for (let i = 0; i + 1 < crossed.length; i += 2) {
          pen.moveTo(...crossed[i]);
          pen.lineTo(...crossed[i + 1]);
        }
      }
    }
    pen.stroke();
  };

  const tell = () => {
    const level = model.get("threshold");
    const [levels, sensitivity, falseAlarms] = curve;
    let counted = 0;
    while (counted < levels.length && levels[counted] >= level - 1e-6) counted++;
    const [found, vain] = counted ? [sensitivity[counted - 1], falseAlarms[counted - 1]] : [0, 0];
    score.textContent = `sensitivity ${found.toFixed(2)}, ${vain.toFixed(2)} false positives per image`;
    if (model.get("color") === "score") {
      legend.replaceChildren(...rampOf(`score ${short(lowest)}`, short(highest)));
    } else {
      legend.replaceChildren(...truths.flatMap((name, kind) => {
        if (!truth.includes(kind)) return [];
        const dot = node("span", { class: "medloc-dot" });
        dot.style.background = truthColors[kind];
        return [dot, `${name} `];
      }));
    }
  };

  canvas.addEventListener("click", (event) => {
    if (!xy) return;
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const [x, y] = [((event.clientX - left) / width) * SPACE.wide, ((event.clientY - top) / height) * SPACE.tall];
    const away = (k) => Math.hypot(at(k)[0] - x, at(k)[1] - y);
    put({ selected: order.reduce((best, k) => (away(k) < away(best) ? k : best), order[0]) });
  });
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!move) return;
    const next = order.indexOf(model.get("selected")) + move * (event.shiftKey ? 10 : 1);
    put({ selected: order[Math.max(0, Math.min(n - 1, next))] });
    event.preventDefault();
  });

  model.on("msg:custom", ({ state }, buffers) => {
    if (!state) return;
    const take = (packed) => unpack({ ...packed, shape: packed.shape.slice(-3) }, buffers[packed.buffer]);
    if (state.points) {
      xy = take(state.points.xy).pixels;
      shares = take(state.points.shares).pixels;
      edges = state.points.edges;
    }
    if (state.place) {
      const { candidate, window, marks, patchMarks, name } = state.place;
      for (const [pane, packed, boxes] of [
        [panes.picture, state.place.picture, marks], [panes.patch, state.place.patch, patchMarks],
      ]) {
        pane.picture.show(take(packed));
        pane.picture.enclose(boxes);
        pane.paint({ window });
      }
      panes.picture.caption.textContent = name;
      panes.patch.caption.textContent = `${truths[truth[candidate]]}, score ${short(scores[candidate])}`;
    }
    if (xy) show(body);
    update();
  });

  const update = () => {
    parts.x.set(facts.names.indexOf(model.get("x")));
    parts.y.set(facts.names.indexOf(model.get("y")));
    parts.color.set(colorings.indexOf(model.get("color")));
    parts.threshold.set(model.get("threshold"));
    tell();
    draw();
  };
  return begin(["color", "threshold", "selected"], update, Object.values(panes));
}

export default { render };
