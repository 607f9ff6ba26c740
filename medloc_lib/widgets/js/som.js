// A self-organizing map: its planes, the patches at one unit, and the slice that one of them comes from.

const WIDE = 336; // CSS pixels of the map's side

function render({ model, el }) {
  const facts = model.get("_facts");
  const { side, planes, values, most } = facts;
  const { put, show, begin } = stage({ model, el });
  const limits = { min: 1, max: most, step: 1, value: model.get("patch") + 1 };
  const parts = {
    plane: select("plane", planes, 0, (i) => put({ plane: planes[i] })),
    patch: slider("patch", limits, (k) => put({ patch: k - 1 })),
  };
  const controls = node("div", { class: "medloc-controls" }, parts.plane.root, parts.patch.root);

  const canvas = node("canvas", {
    ...KEYS, class: "medloc-space", role: "application", tabindex: 0, "aria-roledescription": "map",
    "aria-label": `${facts.title}. Arrow keys: the next unit.`,
  });
  canvas.title = "Click a unit, or walk with the arrow keys.";
  canvas.style.width = canvas.style.height = `${WIDE}px`;
  const legend = node("p", { class: "medloc-caption medloc-legend" });
  const map = node("div", { class: "medloc-pane" }, legend, canvas);
  map.style.width = `${WIDE}px`;

  const panes = {
    patches: framed({ ...facts, size: 240, spacing: [1, 1], label: "patches at the unit", keys: " Click a patch." }),
    slice: framed({ ...facts, label: "the slice that the patch comes from" }),
  };
  const score = node("p", { class: "medloc-score", role: "status" });
  const views = node("div", { class: "medloc-body" }, map, panes.patches.root, panes.slice.root);
  const body = node("div", {}, controls, score, views);

  let count = 0;
  panes.patches.picture.onpress = (at) => {
    if (!at) return false;
    const third = panes.patches.picture.image.rows / 3;
    const k = 3 * Math.floor(at.row / third) + Math.floor(at.col / third);
    if (k < count) put({ patch: k });
    return k < count;
  };

  const draw = () => {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = canvas.height = WIDE * ratio;
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    const here = values[planes.indexOf(model.get("plane"))];
    const [low, high] = [Math.min(...here), Math.max(...here)];
    const cell = WIDE / side;
    here.forEach((value, k) => {
      pen.fillStyle = viridis((value - low) / (high - low || 1));
      pen.fillRect((k % side) * cell, Math.floor(k / side) * cell, cell + 0.5, cell + 0.5);
    });
    const unit = model.get("unit");
    const corner = [(unit % side) * cell + 1.5, Math.floor(unit / side) * cell + 1.5, cell - 3, cell - 3];
    for (const [style, width] of [["black", 5], ["white", 2.5]]) {
      pen.strokeStyle = style;
      pen.lineWidth = width;
      pen.strokeRect(...corner);
    }
    legend.replaceChildren(...rampOf(`${model.get("plane")} ${short(low)}`, `${short(high)}; here ${short(here[unit])}`));
  };

  canvas.addEventListener("click", (event) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const inside = (share) => Math.max(0, Math.min(side - 1, Math.floor(share * side)));
    put({ unit: inside((event.clientY - top) / height) * side + inside((event.clientX - left) / width) });
  });
  canvas.addEventListener("keydown", (event) => {
    const unit = model.get("unit");
    const at = { row: Math.floor(unit / side), col: unit % side };
    const next = stepped(event, at, { rows: side, cols: side });
    if (!next) return;
    put({ unit: next.row * side + next.col });
    event.preventDefault();
  });

  model.on("msg:custom", ({ state }, buffers) => {
    if (!state) return;
    const take = (packed) => unpack(packed, buffers[packed.buffer]);
    const { patches, slice } = panes;
    if (state.patches) {
      patches.picture.show(take(state.patches.mosaic));
      patches.paint({ window: state.patches.window });
      score.textContent = state.patches.told;
    }
    count = state.count;
    patches.picture.enclose(state.tile);
    patches.caption.textContent = count ? "click one" : "no patch";
    slice.root.style.visibility = state.place ? "visible" : "hidden";
    if (state.place) {
      slice.picture.show(take(state.place.picture));
      slice.picture.enclose(state.place.marks);
      slice.paint({ window: state.place.window });
      slice.caption.textContent = state.place.name;
    }
    show(body);
    update();
  });

  const update = () => {
    parts.plane.set(planes.indexOf(model.get("plane")));
    parts.patch.set(model.get("patch") + 1);
    draw();
  };
  return begin(["plane", "unit", "patch"], update, Object.values(panes));
}

export default { render };
