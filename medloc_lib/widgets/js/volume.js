// A volume: ipyniivue's canvas with controls beside it, or a sentence and a still where it cannot be drawn.

async function render({ model, el }) {
  const facts = model.get("_facts");
  const root = frame(el, facts.title);
  const poster = node("img", { class: "medloc-poster", alt: model.get("_alt") });
  poster.src = URL.createObjectURL(new Blob([model.get("_poster")], { type: "image/png" }));
  const still = (why) => root.replaceChildren(node("p", { class: "medloc-note", role: "status" }, why), poster);
  if (facts.missing) return still(facts.missing);
  if (!document.createElement("canvas").getContext("webgl2")) return still(facts.webgl);

  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const arrangement = select("view", facts.arrangements, 0, (i) => put({ arrangement: facts.arrangements[i] }));
  const format = (x) => `${Math.round(100 * x)} %`;
  const limits = { min: 0, max: 1, step: 0.05, value: model.get("opacity"), format };
  const opacity = slider("overlay", limits, (x) => put({ opacity: x }));
  const controls = node("div", { class: "medloc-controls" }, arrangement.root);
  if (facts.overlays) controls.append(opacity.root);
  const stage = node("div", { class: "medloc-stage" });
  stage.addEventListener("focusin", ({ target }) => Object.entries(KEYS).forEach((key) => target.setAttribute(...key)));
  const update = () => {
    arrangement.set(facts.arrangements.indexOf(model.get("arrangement")));
    opacity.set(model.get("opacity"));
  };
  for (const name of ["arrangement", "opacity"]) model.on(`change:${name}`, update);
  update();
  root.replaceChildren(controls, stage);
  try {
    const child = await model.widget_manager.get_model(model.get("_canvas").replace("IPY_MODEL_", ""));
    const view = await model.widget_manager.create_view(child);
    stage.append(view.el);
    URL.revokeObjectURL(poster.src);
  } catch (error) {
    console.error(error);
    still(`The volume could not be drawn (${error.message}). Three planes instead:`);
  }
}

export default { render };
