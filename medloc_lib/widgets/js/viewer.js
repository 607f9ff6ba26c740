// One sample: its planes, channels, window, boxes and mask.

const BUDGET = 64 * 2 ** 20; // bytes of pixels that are kept, and fetched ahead once somebody touches the viewer
const MESSAGE = 2 * 2 ** 20; // bytes of them that are fetched ahead together

function render({ model, el }) {
  const facts = model.get("_facts");
  const { root, put, show, close } = stage({ model, el });
  const readout = node("p", { class: "medloc-readout" }, "\u00a0");
  const keys = facts.planes > 1 ? " Arrow up and down: next plane; with Shift: level." : "";
  const picture = new Picture({ ...facts, label: facts.title, keys });
  const body = node("div", { class: "medloc-body" });

  const range = () => facts.ranges[model.get("channel")];
  const span = () => model.get("windows")[model.get("channel")];
  const setWindow = ([low, high]) => {
    const step = range().step / 1000;
    const edges = high - low < step ? [(low + high - step) / 2, (low + high + step) / 2] : [low, high];
    put({ windows: { ...model.get("windows"), [model.get("channel")]: edges } });
  };
  const reset = () => setWindow(range().window);
  const go = (plane) => put({ plane: Math.max(0, Math.min(facts.planes - 1, plane)) });

  // The controls, each only where there is something to control.
  const controls = node("div", { class: "medloc-controls" });
  const parts = {};
  const add = (name, part) => controls.append((parts[name] = part).root);
  const channels = Object.keys(facts.ranges);
  if (facts.planes > 1) {
    const format = (x) => `${x} of ${facts.planes}`;
    add("plane", slider("plane", { min: 0, max: facts.planes - 1, step: 1, value: model.get("plane"), format }, go));
  }
  if (channels.length > 1) {
    add("channel", select("channel", channels, 0, (i) => put({ channel: channels[i] })));
  }
  const presets = () => [["automatic", range().window], ...Object.entries(facts.presets)];
  const names = ["by hand", ...presets().map(([name]) => name)];
  add("preset", select("window", names, 0, (i) => i > 0 && setWindow(presets()[i - 1][1])));
  const unset = { min: 0, max: 1, step: 1, value: 0 }; // each channel has its own limits: see update
  add("level", slider("level", unset, (x) => {
    const [low, high] = span();
    setWindow([x - (high - low) / 2, x + (high - low) / 2]);
  }));
  add("width", slider("width", unset, (x) => {
    const middle = (span()[0] + span()[1]) / 2;
    setWindow([middle - x / 2, middle + x / 2]);
  }));
  if (facts.marks.length) add("boxes", checkbox("boxes", true, (on) => put({ boxes: on })));
  if (facts.mask) {
    const format = (x) => `${Math.round(100 * x)} %`;
    add("opacity", slider("mask", { min: 0, max: 1, step: 0.05, value: 0, format }, (x) => put({ opacity: x })));
  }
  const hint = "Drag on the picture: width \u2194, level \u2195. Double-click: reset.";
  controls.append(node("p", { class: "medloc-hint" }, hint));
  body.append(node("div", { class: "medloc-pane" }, picture.root, readout), controls);

  // Slices come from the kernel in answer to one question at a time: first for the one that is wanted, then, once
  // somebody has touched the viewer, for its neighbours, a few together.
  const slices = new Map();
  let asked = null;
  let touched = false;
  const key = (channel, plane) => `${plane} ${channel}`;
  const missing = (channel, plane) => {
    if (!slices.has(key(channel, plane))) return [plane];
    const reach = Math.floor(BUDGET / facts.bytes / 2) - 1; // one less than is kept: what is fetched is not dropped
    const many = Math.ceil(MESSAGE / facts.bytes);
    const found = [];
    for (let d = 1; touched && d <= Math.min(reach, facts.planes) && found.length < many; d++) {
      const near = [plane + d, plane - d].filter((p) => p >= 0 && p < facts.planes && !slices.has(key(channel, p)));
      found.push(...near);
    }
    return found;
  };
  const fetch = () => {
    const channel = model.get("channel");
    const planes = missing(channel, model.get("plane"));
    if (!planes.length || (asked && Date.now() - asked < 5000)) return;
    asked = Date.now();
    model.send({ want: { channel, planes } });
  };
  model.on("msg:custom", ({ got, images, masks }, buffers) => {
    if (!got) return;
    asked = null;
    got.planes.forEach((plane, i) => {
      const mask = masks.length ? unpack(masks[i], buffers[images.length + i]).pixels : null;
      slices.set(key(got.channel, plane), { image: unpack(images[i], buffers[i]), mask });
    });
    while (slices.size * facts.bytes > BUDGET && slices.size > 2) slices.delete(slices.keys().next().value);
    update();
  });
  root.addEventListener("pointerenter", () => ((touched = true), fetch()));
  root.addEventListener("focusin", () => ((touched = true), fetch()));

  const reading = (at) => {
    if (!at || !picture.image) return "\u00a0";
    const words = [`row ${at.row}, col ${at.col}`, `value ${picture.values(at).map(text).join(" ")}`];
    const label = picture.mask ? picture.mask[at.row * picture.image.cols + at.col] : 0;
    if (label) words.push(`mask ${label}`);
    const { affine, spacing } = facts;
    if (affine) {
      words.push(inMm(affine, facts.volume ? model.get("plane") : 0, at));
    } else if (facts.known) {
      words.push(`${(at.row * spacing[0]).toFixed(1)} mm down, ${(at.col * spacing[1]).toFixed(1)} mm across`);
    }
    return words.join(" · ").replaceAll("-", "\u2212");
  };
  let last = null;
  const read = (at) => (readout.textContent = reading((last = at)));

  picture.onwindow = setWindow;
  picture.onreset = reset;
  picture.onhover = read;
  picture.onkey = (event) => {
    const step = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -1e9, End: 1e9 }[event.key];
    if (facts.planes < 2 || event.shiftKey || !step) return false;
    go(model.get("plane") + step);
    return true;
  };
  picture.root.addEventListener("wheel", (event) => {
    if (facts.planes < 2 || document.activeElement !== picture.root) return; // until it has the focus, the page scrolls
    event.preventDefault();
    go(model.get("plane") - Math.sign(event.deltaY));
  }, { passive: false });

  const update = () => {
    const [channel, plane] = [model.get("channel"), model.get("plane")];
    const slice = slices.get(key(channel, plane));
    const [low, high] = span();
    const near = (a, b) => Math.abs(a - b) <= 1e-6 * (high - low);
    const is = ([a, b]) => near(a, low) && near(b, high);
    parts.plane?.set(plane);
    parts.channel?.set(channels.indexOf(channel));
    parts.boxes?.set(model.get("boxes"));
    parts.opacity?.set(model.get("opacity"));
    parts.preset.set(1 + presets().findIndex(([, edges]) => is(edges)));
    const { lowest, highest, step } = range();
    const limits = { level: [lowest, highest], width: [step, highest - lowest] };
    for (const [name, [from, to]] of Object.entries(limits)) {
      Object.assign(parts[name].input, { min: from, max: to, step });
    }
    parts.level.set((low + high) / 2);
    parts.width.set(high - low);
    fetch();
    if (!slice) return;
    show(body);
    const reach = ({ box }) => box.length === 4 || (box[0] < plane + 1 && box[3] > plane);
    const flat = ({ box, ...rest }) => ({ box: box.length === 4 ? box : [box[1], box[2], box[4], box[5]], ...rest });
    picture.window = [low, high];
    picture.mask = slice.mask;
    picture.opacity = model.get("opacity");
    const marks = model.get("boxes") ? facts.marks.filter(reach).map(flat) : [];
    const where = facts.planes > 1 ? `, plane ${plane} of ${facts.planes}` : "";
    picture.label(`${facts.title}, ${channel}${where}, ${marks.length} boxes`);
    picture.show(slice.image);
    picture.enclose(marks);
    read(last);
  };
  for (const name of ["plane", "channel", "windows", "boxes", "opacity"]) model.on(`change:${name}`, update);
  update();
  return () => {
    close();
    picture.close();
  };
}

export default { render };
