// What the live figures share: running a model, drawing its images, and controls that work by mouse, touch and keys.
//
// A page holds <figure class="live" data-name="vae"> with a description in its <figcaption>. The figure's script calls
// `start(name, setup)`; `setup(body)` fills the body, and returns an object `compute`, the functions that turn inputs
// into outputs. Tests call them, as `figure.compute`.

const HERE = new URL(".", import.meta.url);
let runtime = null;

/** The onnxruntime, loaded once: WebAssembly on one thread, which every browser and every server allows. */
async function loadRuntime() {
  if (!runtime) {
    runtime = import(new URL("ort/ort.wasm.min.mjs", HERE)).then((ort) => {
      ort.env.wasm.numThreads = 1;
      ort.env.wasm.wasmPaths = new URL("ort/", HERE).href;
      return ort;
    });
  }
  return runtime;
}

/**
 * Load models/NAME.onnx. The function that comes back takes {input: {data, dims}} of numbers and returns
 * {output: Float32Array}; calls wait for each other.
 */
export async function loadModel(name) {
  const ort = await loadRuntime();
  const file = new URL(`models/${name}.onnx`, HERE).href;
  const session = await ort.InferenceSession.create(file, { executionProviders: ["wasm"] });
  let last = Promise.resolve();
  return (inputs) => {
    const feeds = {};
    for (const [key, { data, dims }] of Object.entries(inputs)) {
      feeds[key] = new ort.Tensor("float32", Float32Array.from(data), dims);
    }
    last = last.then(() => session.run(feeds));
    return last.then((results) => Object.fromEntries(Object.entries(results).map(([key, tensor]) => [key, tensor.data])));
  };
}

/** What models/NAME.json holds. */
export async function loadData(name) {
  const answer = await fetch(new URL(`models/${name}.json`, HERE));
  if (!answer.ok) throw new Error(`${name}.json: ${answer.status}`);
  return answer.json();
}

/** Set up the figure of this name, and say so in it: first that it loads, then why it could not, should it fail. */
export async function start(name, setup) {
  const figure = document.querySelector(`figure.live[data-name="${name}"]`);
  const body = document.createElement("div");
  body.className = "live-body";
  const status = element("p", { className: "live-status", textContent: "The model is being loaded." });
  figure.prepend(status, body);
  try {
    figure.compute = await setup(body);
    status.remove();
    figure.dataset.ready = "true";
  } catch (error) {
    status.textContent = `This figure cannot run here (${error.message}). What it shows is described below.`;
    throw error;
  }
}

/** A new element with these properties and children. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A line of text below the pictures, which says in words what they show; screen readers read what changes in it. */
export function statusLine(parent) {
  const said = element("p", { className: "live-said" });
  said.setAttribute("role", "status");
  parent.append(said);
  return said;
}

/** What the colours of a picture mean: pairs of a colour and a word. */
export function legend(parent, entries) {
  const made = element("p", { className: "live-legend" });
  for (const [color, text] of entries) {
    const swatch = element("span", { className: "live-swatch" });
    swatch.style.background = color;
    made.append(element("span", {}, swatch, text));
  }
  parent.append(made);
}

/** A labelled slider; `onInput` gets its value at every move. `format` says how the value is written. */
export function slider(parent, { label, min, max, step, value, onInput, format = (x) => x.toFixed(step < 1 ? 2 : 0) }) {
  const shown = element("output");
  const input = element("input", { type: "range", min, max, step, value });
  const show = () => {
    shown.textContent = format(Number(input.value));
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  input.addEventListener("input", () => {
    show();
    onInput(Number(input.value));
  });
  parent.append(element("label", { className: "live-slider" }, element("span", { textContent: label }), input, shown));
  show();
  return input;
}

/** A labelled list to choose from, pairs of a value and a word; `onChoose` gets the value chosen. */
export function choice(parent, label, entries, onChoose) {
  const made = element("select");
  made.append(...entries.map(([value, textContent]) => element("option", { value, textContent })));
  made.addEventListener("change", () => onChoose(made.value));
  parent.append(element("label", { className: "live-choice" }, element("span", { textContent: label }), made));
  return made;
}

/** A button that calls `onClick`. */
export function button(parent, label, onClick) {
  const made = element("button", { type: "button", textContent: label });
  made.addEventListener("click", onClick);
  parent.append(made);
  return made;
}

/** A canvas of `width` x `height` CSS pixels, sharp on every screen; the context draws in CSS pixels. */
export function canvas(parent, width, height, label) {
  const made = element("canvas", { className: "live-canvas" });
  const sharp = window.devicePixelRatio || 1;
  made.width = width * sharp;
  made.height = height * sharp;
  made.style.aspectRatio = `${width} / ${height}`;
  made.style.maxWidth = `${width}px`;
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  parent.append(made);
  const context = made.getContext("2d");
  context.scale(sharp, sharp);
  return context;
}

/** Draw numbers in [0, 1] as grey squares, `columns` in a row, black for 0, into the square at (x, y). */
export function drawPixels(context, values, columns, x, y, side) {
  const cell = side / columns;
  values.forEach((value, index) => {
    const level = Math.round(255 * Math.min(1, Math.max(0, value)));
    context.fillStyle = `rgb(${level}, ${level}, ${level})`;
    const [row, column] = [Math.floor(index / columns), index % columns];
    context.fillRect(x + column * cell, y + row * cell, cell + 0.5, cell + 0.5);
  });
}

/** Where a pointer is on a canvas, in the CSS pixels that its context draws in. */
export function pointerPlace(context, event, width, height) {
  const box = context.canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
}

/** Call `onDrag(x, y, event)` for a press and every move while it lasts, by mouse, pen or finger. */
export function draggable(context, width, height, onDrag) {
  const target = context.canvas;
  target.style.touchAction = "none";
  target.addEventListener("pointerdown", (event) => {
    target.setPointerCapture(event.pointerId);
    onDrag(...pointerPlace(context, event, width, height), event);
  });
  target.addEventListener("pointermove", (event) => {
    if (event.buttons) onDrag(...pointerPlace(context, event, width, height), event);
  });
}

/** Call `onMove(dx, dy)` for the arrow keys while the canvas has the focus. */
export function arrowKeys(context, onMove) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  context.canvas.tabIndex = 0;
  context.canvas.addEventListener("keydown", (event) => {
    if (steps[event.key]) {
      event.preventDefault();
      onMove(...steps[event.key], event);
    }
  });
}

/** Numbers in [0, 1) that depend on the seed alone (mulberry32). */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Standard normal numbers from a source of numbers in [0, 1) (Box and Muller). */
export function normalNumbers(random) {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
