// The mask of a masked convolution, and what a pixel sees through a stack of them. Nothing is trained: both follow from
// which taps of the kernel are open.

import { arrowKeys, canvas, choice, draggable, element, slider, start, statusLine } from "./live.js";

const SIDE = 15; // pixels of the image, as in the lecture's widget
const KERNEL_SIDE = 224, FIELD_SIDE = 360; // CSS pixels

/** The taps that are open, row by row: above, and to the left; the pixel itself only to type B. */
export function causalMask(type, size) {
  const centre = (size - 1) / 2;
  return Array.from({ length: size * size }, (_, index) => {
    const [row, column] = [Math.floor(index / size), index % size];
    const earlier = row < centre || (row === centre && column < centre);
    return Number(earlier || (type === "B" && row === centre && column === centre));
  });
}

/** Which pixels the output at `pixel` depends on, row by row, through `layers` convolutions, the first of this type. */
export function receptiveField(type, size, layers, pixel) {
  let seen = new Set([pixel]);
  for (let layer = layers; layer > 0; layer--) {
    const mask = causalMask(layer === 1 ? type : "B", size);
    const before = new Set();
    for (const place of seen) {
      mask.forEach((open, index) => {
        const row = Math.floor(place / SIDE) + Math.floor(index / size) - (size - 1) / 2;
        const column = (place % SIDE) + (index % size) - (size - 1) / 2;
        if (open && row >= 0 && row < SIDE && column >= 0 && column < SIDE) before.add(row * SIDE + column);
      });
    }
    seen = before;
  }
  return Array.from({ length: SIDE * SIDE }, (_, place) => Number(seen.has(place)));
}

await start("masks", async (body) => {
  const state = { type: "A", size: 3, layers: 3, pixel: 7 * SIDE + 7 };
  const controls = element("div", { className: "live-controls" });
  body.append(controls);
  const kernel = canvas(body, KERNEL_SIDE, KERNEL_SIDE, "The kernel: open taps are blue.");
  const field = canvas(body, FIELD_SIDE, FIELD_SIDE, "The image: pixels that the chosen pixel sees are blue.");
  const said = statusLine(body);

  function show() {
    drawGrid(kernel, KERNEL_SIDE, state.size, causalMask(state.type, state.size).map((open) => open && "#0072b2"));
    const seen = receptiveField(state.type, state.size, state.layers, state.pixel);
    const colors = seen.map((yes, place) => (yes ? "#0072b2" : place < state.pixel ? "#f2c48d" : ""));
    drawGrid(field, FIELD_SIDE, SIDE, colors);
    const cell = FIELD_SIDE / SIDE;
    field.strokeStyle = "black";
    field.lineWidth = 3;
    field.strokeRect((state.pixel % SIDE) * cell, Math.floor(state.pixel / SIDE) * cell, cell, cell);
    const count = seen.filter((yes, place) => yes && place !== state.pixel).length;
    const itself = seen[state.pixel] ? " It also sees itself: nothing is left to predict." : "";
    said.textContent = `The marked pixel sees ${count} of the ${state.pixel} pixels before it.${itself}`;
  }

  choice(controls, "first mask", [["A", "type A"], ["B", "type B"]], (type) => { state.type = type; show(); });
  slider(controls, { label: "kernel size", min: 3, max: 7, step: 2, value: 3, onInput: (value) => { state.size = value; show(); } });
  slider(controls, { label: "layers", min: 1, max: 8, step: 1, value: 3, onInput: (value) => { state.layers = value; show(); } });

  const choose = (column, row) => {
    const inside = (value) => Math.min(SIDE - 1, Math.max(0, value));
    state.pixel = inside(row) * SIDE + inside(column);
    show();
  };
  draggable(field, FIELD_SIDE, FIELD_SIDE, (x, y) => choose(Math.floor((x / FIELD_SIDE) * SIDE), Math.floor((y / FIELD_SIDE) * SIDE)));
  arrowKeys(field, (dx, dy) => choose((state.pixel % SIDE) + dx, Math.floor(state.pixel / SIDE) + dy));
  show();
  return { causalMask, receptiveField };
});

/** Squares of these colours, white where there is none. */
function drawGrid(context, side, cells, colors) {
  const cell = side / cells;
  colors.forEach((color, place) => {
    const [x, y] = [(place % cells) * cell, Math.floor(place / cells) * cell];
    context.fillStyle = color || "white";
    context.fillRect(x, y, cell, cell);
    context.strokeStyle = "#c8c8c8";
    context.lineWidth = 1;
    context.strokeRect(x, y, cell, cell);
  });
}
