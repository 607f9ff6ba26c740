// Marks under the hand: a brush, its label, and the keys that do the same, on one picture.

// picture: where marks are drawn. labels: their names. step: moves the cursor, as `point` in the explorer.
function marking({ facts, model, picture, controls, put, point }) {
  const names = ["erase", ...facts.labels];
  const label = select("label", names, model.get("label"), (i) => put({ label: i }));
  const limits = { min: 1, max: 25, step: 2, value: model.get("brush"), format: (x) => `${x} px` };
  const brush = slider("brush", limits, (x) => put({ brush: x }));
  const button = (words, act) => {
    const made = node("button", { ...KEYS, class: "medloc-button", type: "button" }, words);
    made.addEventListener("click", act);
    return made;
  };
  const undo = () => ask({ undo: true });
  const buttons = node("div", {}, button("undo", undo), " ", button("clear", () => ask({ clear: true })));
  const hint = "Draw on the left picture. Or, with it in focus: arrows move the cursor (Shift: by ten), Space marks, "
    + "P lets the pen down and lifts it, digits choose the label, U undoes. Shift and drag: window.";
  controls.append(label.root, brush.root, buttons, node("p", { class: "medloc-hint" }, hint));
  picture.root.title = hint;

  let marks = null;
  let last = null; // where the present stroke has come to
  let queue = []; // strokes, or parts of them, that the kernel has not been told
  let [waiting, pen] = [0, false];
  const ask = (message) => model.send({ mark: message });

  // What a brush covers, here for the eye and in the kernel for good.
  const stamp = ({ row, col }) => {
    const { rows, cols } = picture.image;
    const [size, value] = [model.get("brush"), model.get("label")];
    const reach = size >> 1;
    for (let r = Math.max(0, row - reach); r <= Math.min(rows - 1, row + reach); r++) {
      for (let c = Math.max(0, col - reach); c <= Math.min(cols - 1, col + reach); c++) {
        if (Math.hypot(r - row, c - col) < size / 2) marks[r * cols + c] = value;
      }
    }
  };
  // One question at a time: what is drawn meanwhile goes with the next.
  const flush = () => {
    if (!queue.length || Date.now() - waiting < 5000) return;
    waiting = Date.now();
    ask(queue.shift());
  };
  const line = (from, to) => {
    const steps = Math.max(Math.abs(to.row - from.row), Math.abs(to.col - from.col), 1);
    const along = (a, b, i) => Math.round(a + ((b - a) * i) / steps);
    for (let i = 1; i <= steps; i++) stamp({ row: along(from.row, to.row, i), col: along(from.col, to.col, i) });
  };
  const add = (at, first = false) => {
    const point = [at.row, at.col];
    const brushed = { label: model.get("label"), brush: model.get("brush"), first };
    if (first) queue.push({ points: [point], ...brushed });
    else if (queue.length) queue.at(-1).points.push(point);
    else queue.push({ points: [[last.row, last.col], point], ...brushed });
    line(first ? at : last, at);
    last = at;
    picture.request();
    flush();
  };

  picture.opacity = 0.85;
  picture.onpress = (at, event) => {
    if (!at || !marks || event.shiftKey) return false;
    pen = false;
    add(at, true);
    return true;
  };
  picture.ondrag = (at) => at && add(at);
  picture.onkey = (event) => {
    const { key, ctrlKey, metaKey } = event;
    if (!marks || ctrlKey || metaKey) return false;
    const { rows, cols } = picture.image;
    const cursor = picture.cursor ?? { row: rows >> 1, col: cols >> 1 };
    const at = stepped(event, cursor, picture.image);
    if (at) {
      point(at);
      if (pen) add(at);
    } else if (key === " ") {
      point(cursor);
      add(cursor, true);
    } else if (key.toLowerCase() === "p") {
      pen = !pen;
      point(cursor);
      if (pen) add(cursor, true);
    } else if (key.toLowerCase() === "u") undo();
    else if (/^[0-9]$/.test(key) && Number(key) < names.length) put({ label: Number(key) });
    else if (key === "Escape" && (pen || picture.cursor)) {
      pen = false;
      point(null);
    } else return false;
    return true;
  };

  const update = () => {
    label.set(model.get("label"));
    label.input.style.borderLeft = `8px solid ${facts.palette[model.get("label") - 1] ?? "transparent"}`;
    brush.set(model.get("brush"));
  };
  for (const name of ["label", "brush"]) model.on(`change:${name}`, update);
  update();

  // The kernel's marks, unless somebody is drawing more of them.
  return (told) => {
    waiting = 0;
    if (!marks || !queue.length) marks = told;
    picture.mask = marks;
    picture.request();
    flush();
  };
}
