// A sentence on a picture: where it is true, and the box that it finds.

function render({ model, el }) {
  const facts = model.get("_facts");
  const { put, show, begin } = stage({ model, el });
  const limits = { min: 1, max: facts.cases, step: 1, value: model.get("case") + 1 };
  const which = slider("picture", limits, (k) => put({ case: k - 1 }));
  const field = node("input", {
    ...KEYS, type: "text", class: "medloc-sentence", maxlength: facts.longest, "aria-label": "sentence",
  });
  const look = () => field.value === model.get("sentence") || put({ sentence: field.value });
  field.addEventListener("change", look);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    look();
    event.preventDefault();
    event.stopPropagation(); // the notebook would go on to edit the cell
  });
  const line = node("label", { class: "medloc-control" }, node("span", {}, "sentence"), field);
  const hint = node("p", { class: "medloc-hint" }, "Enter looks for it.");
  const controls = node("div", { class: "medloc-controls" }, which.root, line, hint);

  const panes = {
    picture: framed({ ...facts, label: "the picture, with the box that the sentence finds" }),
    heat: framed({ ...facts, label: "where the sentence is true" }),
  };
  const { score, error, tell } = verdict();
  const views = node("div", { class: "medloc-body" }, panes.picture.root, panes.heat.root);
  const body = node("div", {}, controls, score, error, views);

  model.on("msg:custom", ({ state }, buffers) => {
    if (!state) return;
    const { picture, heat } = panes;
    picture.picture.show(unpack(state.picture, buffers[state.picture.buffer]));
    picture.picture.enclose(state.marks);
    picture.paint({ window: state.window });
    picture.caption.textContent = state.name;
    heat.picture.show(unpack(state.heat, buffers[state.heat.buffer]));
    heat.paint({ window: [0, 255] });
    heat.caption.textContent = "where the sentence is true";
    tell(state, heat);
    show(body);
    update();
  });

  const update = () => {
    which.set(model.get("case") + 1);
    if (field !== document.activeElement) field.value = model.get("sentence");
  };
  return begin(["case", "sentence"], update, Object.values(panes));
}

export default { render };
