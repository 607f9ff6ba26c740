// What the front ends share: small builders of labelled controls, and one picture on a canvas with its window, mask,
// boxes and cursor. Everything is painted here, in the browser, so that a drag does not wait for the kernel.

const node = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

// The same of an SVG.
const shape = (tag, attributes = {}, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

// On what can have the focus: JupyterLab then leaves its keys alone, and an arrow moves a slider, not the cell.
const KEYS = { "data-lm-suppress-shortcuts": "true" };

// A number as people read it: whole, or with four figures.
const text = (x) => {
  if (Number.isInteger(x)) return String(x);
  const size = Math.abs(x);
  return size >= 1e5 || size < 1e-3 ? x.toExponential(3) : String(Number(x.toPrecision(4)));
};

const slider = (label, { min, max, step, value, format = text }, oninput) => {
  const input = node("input", { ...KEYS, type: "range", min, max, step, "aria-label": label });
  const output = node("span", { class: "medloc-value" });
  const set = (x) => {
    if (Number(input.value) !== x) input.value = x;
    const shown = format(x);
    output.textContent = shown;
    input.setAttribute("aria-valuetext", shown);
  };
  set(value);
  input.addEventListener("input", () => oninput(Number(input.value)));
  const root = node("label", { class: "medloc-control" }, node("span", {}, label), input, output);
  return { root, input, set };
};

const select = (label, options, value, onchange) => {
  const items = options.map((name, i) => node("option", { value: i }, name));
  const input = node("select", { ...KEYS, "aria-label": label }, ...items);
  const set = (i) => (input.selectedIndex = i);
  set(value);
  input.addEventListener("change", () => onchange(input.selectedIndex));
  return { root: node("label", { class: "medloc-control" }, node("span", {}, label), input), input, set };
};

const checkbox = (label, value, onchange) => {
  const input = node("input", { ...KEYS, type: "checkbox", "aria-label": label });
  const set = (on) => (input.checked = on);
  set(value);
  input.addEventListener("change", () => onchange(input.checked));
  return { root: node("label", { class: "medloc-control" }, node("span", {}, label), input), input, set };
};

// A table of numbers. What is no number yet, such as a lone minus, is not sent.
const matrix = (label, rows, onchange) => {
  const cells = rows.map((row, i) => row.map((value, j) => {
    const name = `${label}, row ${i + 1}, column ${j + 1}`;
    const input = node("input", { ...KEYS, type: "number", step: "any", "aria-label": name });
    input.value = value;
    input.addEventListener("input", () => {
      const numbers = cells.map((line) => line.map((cell) => cell.valueAsNumber));
      if (numbers.flat().every(Number.isFinite)) onchange(numbers);
    });
    return input;
  }));
  const grid = node("div", { class: "medloc-matrix", role: "group", "aria-label": label }, ...cells.flat());
  grid.style.gridTemplateColumns = `repeat(${rows[0].length}, max-content)`;
  const set = (values) => values.forEach((row, i) => row.forEach((value, j) => {
    const input = cells[i][j];
    if (input !== document.activeElement && input.valueAsNumber !== value) input.value = value;
  }));
  return { root: node("div", { class: "medloc-control" }, node("span", {}, label), grid), input: grid, set };
};

// The frame around a front end.
const frame = (el, label) => {
  const root = node("div", { class: "medloc", role: "group", "aria-label": label });
  el.replaceChildren(root);
  return root;
};

// A front end's frame with what all that answer to a kernel have. It holds the still until `show` puts the body in its
// place. Values go to the kernel through the model (`put`), which sends the next one only when the last has been dealt
// with: a fast drag drops what nobody would see.
const stage = ({ model, el }) => {
  const root = frame(el, model.get("_facts").title);
  const poster = node("img", { class: "medloc-poster", alt: model.get("_alt") });
  poster.src = URL.createObjectURL(new Blob([model.get("_poster")], { type: "image/png" }));
  const note = node("p", { class: "medloc-note", role: "status" });
  root.append(poster, note);
  const put = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  const show = (body) => {
    if (root.contains(body)) return;
    URL.revokeObjectURL(poster.src);
    root.replaceChildren(body);
  };
  const patience = setTimeout(() => {
    note.textContent = "This is a still: no kernel answers yet. Run the cell again to move it."; // seen only beside it
  }, 3000);
  const close = () => clearTimeout(patience);
  // Ask the kernel for pixels, and update when one of these traits changes. Gives what ends the front end.
  const begin = (traits, update, panes) => {
    for (const name of traits) model.on(`change:${name}`, update);
    update();
    model.send({ ready: true });
    return () => {
      close();
      for (const { picture } of panes) picture.close();
    };
  };
  return { root, put, show, close, begin };
};

// What came of it: a score, or an error, by which the picture of a pane is out of date.
const verdict = () => {
  const score = node("p", { class: "medloc-score", role: "status", hidden: "" });
  const error = node("p", { class: "medloc-error", role: "alert", hidden: "" });
  const tell = (state, pane) => {
    score.textContent = state.score;
    score.hidden = !state.score;
    error.textContent = state.error;
    error.hidden = !state.error;
    pane.root.classList.toggle("medloc-stale", Boolean(state.error));
  };
  return { score, error, tell };
};

// Where an arrow key moves a cursor (null: from the middle), with Shift by ten pixels; null for any other key.
const stepped = ({ key, shiftKey }, cursor, { rows, cols }) => {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key];
  if (!step) return null;
  const { row, col } = cursor ?? { row: rows >> 1, col: cols >> 1 };
  const inside = (x, n) => Math.max(0, Math.min(n - 1, x));
  const size = shiftKey ? 10 : 1;
  return { row: inside(row + size * step[0], rows), col: inside(col + size * step[1], cols) };
};

// A pixel of a plane in patient mm, as words.
const inMm = (affine, plane, { row, col }) => {
  const index = [plane, row, col, 1];
  const mm = affine.slice(0, 3).map((line) => line.reduce((sum, a, k) => sum + a * index[k], 0).toFixed(1));
  return `x ${mm[0]}, y ${mm[1]}, z ${mm[2]} mm (LPS)`;
};

const TYPES = {
  uint8: Uint8Array, int8: Int8Array, int16: Int16Array, uint16: Uint16Array, int32: Int32Array, float32: Float32Array,
};

// Pixels as the kernel sends them: `shape` is (depth, rows, cols), depth 1 or 3.
const unpack = ({ dtype, shape }, buffer) => {
  const bytes = buffer.buffer.slice(buffer.byteOffset, buffer.byteOffset + buffer.byteLength);
  const [depth, rows, cols] = shape;
  return { depth, rows, cols, pixels: new TYPES[dtype](bytes) };
};

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

class Picture {
  // size: CSS pixels of the longer side. palette: colours of the mask's labels. colors: of the kinds of boxes.
  // negative: whether low values are the bright ones.
  constructor({ label, size, spacing, negative, palette, colors, keys = "" }) {
    Object.assign(this, { size, spacing, negative, colors, window: [0, 1], opacity: 0, marks: [], cursor: null });
    this.palette = palette.map(rgb);
    this.canvas = node("canvas", { class: "medloc-pixels" });
    this.lines = node("canvas", { class: "medloc-lines" });
    const roles = { class: "medloc-picture", role: "application", "aria-roledescription": "picture", tabindex: 0 };
    this.root = node("div", { ...KEYS, ...roles }, this.canvas, this.lines);
    this.root.title = `Drag: sideways for the window's width, up and down for its level. Double-click: reset.${keys}`;
    this.label(label);
    const events = ["onwindow", "onreset", "onhover", "onkey", "onsize", "onpress", "ondrag"];
    for (const name of events) this[name] = () => {};
    this.listen();
    this.watcher = new ResizeObserver(() => this.outline());
    this.watcher.observe(this.root);
  }

  label(words) {
    this.root.setAttribute("aria-label", words);
  }

  show(image) {
    const same = this.image && this.image.rows === image.rows && this.image.cols === image.cols;
    this.image = image;
    if (!same) {
      const [tall, wide] = [image.rows * this.spacing[0], image.cols * this.spacing[1]];
      const scale = this.size / Math.max(tall, wide);
      this.root.style.width = `${wide * scale}px`;
      this.onsize(wide * scale);
      this.root.style.aspectRatio = `${wide} / ${tall}`;
      this.canvas.width = image.cols;
      this.canvas.height = image.rows;
      this.canvas.style.imageRendering = this.size / Math.max(image.rows, image.cols) < 1.5 ? "auto" : "pixelated";
      this.frame = new ImageData(image.cols, image.rows);
      this.outline();
    }
    if (this.grey?.length !== image.pixels.length) this.grey = new Uint8ClampedArray(image.pixels.length);
    this.request();
  }

  // Paint now, and at most once more per frame however many events come.
  request() {
    if (this.painted) {
      this.again = true;
      return;
    }
    this.paint();
    this.painted = true;
    requestAnimationFrame(() => {
      this.painted = false;
      if (this.again) {
        this.again = false;
        this.request();
      }
    });
  }

  paint() {
    if (!this.image) return;
    const { pixels, depth, rows, cols } = this.image;
    const [low, high] = this.negative ? [...this.window].reverse() : this.window;
    const scale = 255 / (high - low);
    const { grey, palette, opacity } = this;
    const out = this.frame.data;
    const n = rows * cols;
    for (let i = 0; i < pixels.length; i++) grey[i] = (pixels[i] - low) * scale;
    if (depth === 1) {
      const words = new Uint32Array(out.buffer);
      for (let i = 0; i < n; i++) words[i] = 0xff000000 | (grey[i] * 0x10101);
    } else {
      for (let i = 0, j = 0; i < n; i++, j += 4) {
        out[j] = grey[i];
        out[j + 1] = grey[i + n];
        out[j + 2] = grey[i + 2 * n];
        out[j + 3] = 255;
      }
    }
    if (this.mask && opacity > 0) {
      const mask = this.mask;
      for (let i = 0, j = 0; i < n; i++, j += 4) {
        if (mask[i] === 0) continue;
        const color = palette[(mask[i] - 1) % palette.length];
        for (let k = 0; k < 3; k++) out[j + k] += (color[k] - out[j + k]) * opacity;
      }
    }
    this.canvas.getContext("2d", { willReadFrequently: true }).putImageData(this.frame, 0, 0);
  }

  // Boxes to draw; drawn anew only where they differ.
  enclose(marks) {
    const key = JSON.stringify(marks);
    if (key === this.drawn) return;
    Object.assign(this, { marks, drawn: key });
    this.outline();
  }

  // Boxes and cursor, at the screen's resolution.
  outline() {
    if (!this.image) return;
    const [wide, tall] = [this.root.clientWidth, this.root.clientHeight];
    const ratio = window.devicePixelRatio || 1;
    if (this.lines.width !== Math.round(wide * ratio) || this.lines.height !== Math.round(tall * ratio)) {
      this.lines.width = Math.round(wide * ratio);
      this.lines.height = Math.round(tall * ratio);
    }
    const draw = this.lines.getContext("2d");
    draw.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw.clearRect(0, 0, wide, tall);
    const [x, y] = [wide / this.image.cols, tall / this.image.rows];
    draw.font = "12px system-ui, sans-serif";
    for (const { box, text: words, kind } of this.marks) {
      const corner = [box[1] * x, box[0] * y, (box[3] - box[1]) * x, (box[2] - box[0]) * y];
      draw.setLineDash([]);
      draw.lineWidth = 4;
      draw.strokeStyle = "rgba(0, 0, 0, 0.6)";
      draw.strokeRect(...corner);
      draw.setLineDash({ truth: [], found: [7, 4], ignored: [2, 3] }[kind]);
      draw.lineWidth = 2;
      draw.strokeStyle = this.colors[kind];
      draw.strokeRect(...corner);
      if (!words) continue;
      const width = draw.measureText(words).width + 6;
      const left = Math.max(0, Math.min(corner[0], wide - width));
      const wanted = kind === "found" ? corner[1] + corner[3] + 3 : corner[1] - 19;
      const top = Math.max(0, Math.min(wanted, tall - 16));
      draw.fillStyle = "rgba(0, 0, 0, 0.65)";
      draw.fillRect(left, top, width, 16);
      draw.fillStyle = this.colors[kind];
      draw.fillText(words, left + 3, top + 12);
    }
    if (this.cursor) {
      const [cx, cy] = [(this.cursor.col + 0.5) * x, (this.cursor.row + 0.5) * y];
      for (const [style, width] of [["rgba(0, 0, 0, 0.6)", 3], ["white", 1]]) {
        draw.setLineDash([]);
        draw.strokeStyle = style;
        draw.lineWidth = width;
        draw.beginPath();
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          draw.moveTo(cx + 4 * dx, cy + 4 * dy);
          draw.lineTo(cx + 10 * dx, cy + 10 * dy);
        }
        draw.stroke();
      }
    }
  }

  point(cursor) {
    this.cursor = cursor;
    this.outline();
  }

  // Values under the cursor, one per colour.
  values({ row, col }) {
    const { pixels, depth, rows, cols } = this.image;
    return Array.from({ length: depth }, (_, k) => pixels[(k * rows + row) * cols + col]);
  }

  index(event) {
    const { left, top, width, height } = this.root.getBoundingClientRect();
    const col = Math.floor(((event.clientX - left) / width) * this.image.cols);
    const row = Math.floor(((event.clientY - top) / height) * this.image.rows);
    return row < 0 || col < 0 || row >= this.image.rows || col >= this.image.cols ? null : { row, col };
  }

  listen() {
    let start = null;
    let [taken, down] = [false, false]; // taken: somebody wants the press, and its drag, for something else than the window
    this.root.addEventListener("pointerdown", (event) => {
      if (!this.image || event.button !== 0) return;
      down = taken = Boolean(this.onpress(this.index(event), event));
      if (taken) {
        this.root.setPointerCapture(event.pointerId);
        return;
      }
      const [low, high] = this.window;
      start = { x: event.clientX, y: event.clientY, level: (low + high) / 2, width: high - low };
      this.root.setPointerCapture(event.pointerId);
    });
    this.root.addEventListener("pointermove", (event) => {
      if (!this.image) return;
      this.onhover(this.index(event));
      if (down) this.ondrag(this.index(event));
      if (!start) return;
      this.change(start, event.clientX - start.x, event.clientY - start.y);
    });
    const end = () => ([start, down] = [null, false]);
    this.root.addEventListener("pointerup", end);
    this.root.addEventListener("pointercancel", end);
    this.root.addEventListener("pointerleave", () => this.onhover(null));
    this.root.addEventListener("dblclick", () => taken || this.onreset());
    this.root.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] };
      const [dx, dy] = moves[event.key] ?? [0, 0];
      if (!this.image || !this.onkey(event)) {
        const [low, high] = this.window;
        if (event.key === "Escape") this.onreset();
        else if (dx || dy) this.change({ level: (low + high) / 2, width: high - low }, dx, dy);
        else return;
      }
      event.preventDefault();
    });
  }

  // 100 pixels to the right double the width; 200 pixels down raise the level by one width.
  change({ level, width }, dx, dy) {
    const wide = width * 2 ** (dx / 100);
    const middle = level + (dy * width) / 200;
    this.onwindow([middle - wide / 2, middle + wide / 2]);
  }

  close() {
    this.watcher.disconnect();
  }
}

// A picture under a caption. It has the window that it is painted with, until somebody drags one of their own.
const framed = (options) => {
  const picture = new Picture(options);
  const caption = node("p", { class: "medloc-caption" });
  const root = node("div", { class: "medloc-pane" }, caption, picture.root);
  const pane = { picture, caption, root, own: null, window: [0, 1], onpaint: () => {} };
  pane.paint = (changes) => {
    Object.assign(pane, changes);
    picture.window = pane.own ?? pane.window;
    picture.request();
    pane.onpaint(picture.window);
  };
  picture.onwindow = (window) => pane.paint({ own: window });
  picture.onreset = () => pane.paint({ own: null });
  picture.onsize = (width) => (root.style.width = `${width}px`); // what stands with it is no wider than the picture
  return pane;
};
