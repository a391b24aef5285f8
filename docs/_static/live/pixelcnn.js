// A PixelCNN completes a digit: rub pixels out, and they are drawn again in raster order, each given all before it.

import { arrowKeys, button, canvas, choice, draggable, element, loadData, loadModel, randomNumbers, slider, start,
  statusLine } from "./live.js";

const COLUMNS = 8, PIXELS = 64, LEVELS = 17;
const SIDE = 304, CELL = SIDE / COLUMNS, CHART_HEIGHT = 200; // CSS pixels
const PAUSE = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 120; // milliseconds between two pixels
const [BLUE, ORANGE] = ["#0072b2", "#e69f00"];

/** The predicted distribution of one pixel, from the logits of all: a probability for each level. */
export function distribution(logits, place) {
  const mine = Array.from({ length: LEVELS }, (_, level) => logits[level * PIXELS + place]);
  const largest = Math.max(...mine);
  const weights = mine.map((value) => Math.exp(value - largest));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/** The level k with P(level < k) <= uniform < P(level <= k). */
export function drawLevel(probabilities, uniform) {
  let cumulative = 0;
  for (let level = 0; level < LEVELS; level++) {
    cumulative += probabilities[level];
    if (uniform < cumulative) return level;
  }
  return LEVELS - 1;
}

await start("pixelcnn", async (body) => {
  const [model, digits] = await Promise.all([loadModel("pixelcnn"), loadData("pixelcnn")]);
  /** Levels 0 ... 16 of the 64 pixels to the logits, 17 x 64. */
  const logits = async (levels) => {
    return (await model({ x: { data: levels.map((level) => level / (LEVELS - 1)), dims: [1, 1, COLUMNS, COLUMNS] } })).logits;
  };

  /** Draw what is not known, pixel by pixel; yields each with its place, its distribution and the level drawn. */
  async function* drawing(levels, known, uniforms) {
    levels = levels.map((level, place) => (known[place] ? level : 0));
    for (let place = 0; place < PIXELS; place++) {
      if (known[place]) continue;
      const probabilities = distribution(await logits(levels), place);
      levels[place] = drawLevel(probabilities, uniforms[place]);
      yield { place, probabilities, level: levels[place] };
    }
  }

  /** The completed image, without pauses. */
  async function complete(levels, known, uniforms) {
    const completed = [...levels];
    for await (const { place, level } of drawing(levels, known, uniforms)) completed[place] = level;
    return completed;
  }

  let levels = [...digits[3].levels], known = lowerHalf(), drawn = [], shown = 0, cursor = 27, seed = 0, run = 0;

  const picture = canvas(body, SIDE, SIDE, "The digit, with what is rubbed out in blue. Arrow keys move, Enter rubs out.");
  const chart = canvas(body, SIDE, CHART_HEIGHT, "The predicted distribution of the pixel that is being drawn.");
  const controls = element("div", { className: "live-controls" });
  body.append(controls);

  /** Begin again with these pixels known; whatever is being drawn stops. */
  function reset(stillKnown) {
    run++;
    [known, drawn, shown] = [stillKnown, [], 0];
    look.disabled = true;
    said.textContent = `${known.filter((yes) => !yes).length} of 64 pixels are rubbed out.`;
    show();
  }

  async function drawAll() {
    reset(known);
    const mine = run, random = randomNumbers(seed);
    const uniforms = Array.from({ length: PIXELS }, random);
    if (known.every(Boolean)) {
      said.textContent = "Rub something out first.";
      return;
    }
    said.textContent = "The missing pixels are being drawn.";
    for await (const step of drawing(levels, known, uniforms)) {
      if (run !== mine) return;
      drawn.push(step);
      shown = drawn.length;
      show();
      await new Promise((done) => setTimeout(done, PAUSE));
      if (run !== mine) return;
    }
    look.disabled = false;
    look.max = drawn.length; // first: a value above the maximum would be cut
    look.value = drawn.length;
    look.dispatchEvent(new Event("input"));
  }

  function show() {
    const values = levels.map((level, place) => (known[place] ? level : null));
    drawn.slice(0, shown).forEach(({ place, level }) => { values[place] = level; });
    values.forEach((level, place) => drawCell(picture, place, level, !known[place]));
    const current = drawn[shown - 1];
    if (current) frame(picture, current.place, ORANGE, 4);
    if (document.activeElement === picture.canvas) frame(picture, cursor, "#d55e00", 2);
    drawChart(chart, current);
  }

  choice(controls, "digit", digits.map(({ label }) => [label, `a ${label}`]), (label) => {
    levels = [...digits[label].levels];
    reset(known);
  }).value = 3;
  button(controls, "Complete", () => drawAll());
  button(controls, "Another", () => { seed++; drawAll(); });
  button(controls, "Without lower half", () => reset(lowerHalf()));
  button(controls, "Without upper half", () => reset(lowerHalf().map((yes) => !yes)));
  button(controls, "Whole again", () => reset(levels.map(() => true)));
  const look = slider(controls, {
    label: "look back", min: 1, max: 1, step: 1, value: 1, onInput: (value) => {
      shown = value;
      const { place, level, probabilities } = drawn[value - 1];
      const where = `row ${Math.floor(place / COLUMNS) + 1}, column ${(place % COLUMNS) + 1}`;
      const chance = Math.round(100 * probabilities[level]);
      said.textContent = `Pixel ${value} of ${drawn.length} (${where}): level ${level} was drawn, predicted with ${chance} %.`;
      show();
    },
  });
  const said = statusLine(body);

  let rubbing = true; // what a drag does is settled where it begins
  draggable(picture, SIDE, SIDE, (x, y, event) => {
    const [column, row] = [Math.floor(x / CELL), Math.floor(y / CELL)];
    if (column < 0 || column >= COLUMNS || row < 0 || row >= COLUMNS) return;
    cursor = row * COLUMNS + column;
    if (event.type === "pointerdown") rubbing = known[cursor];
    if (known[cursor] === rubbing) reset(known.with(cursor, !rubbing));
  });
  arrowKeys(picture, (dx, dy) => {
    const inside = (value) => Math.min(COLUMNS - 1, Math.max(0, value));
    cursor = inside(Math.floor(cursor / COLUMNS) + dy) * COLUMNS + inside((cursor % COLUMNS) + dx);
    show();
  });
  picture.canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      reset(known.with(cursor, !known[cursor]));
    }
  });
  for (const event of ["focus", "blur"]) picture.canvas.addEventListener(event, show);
  reset(known);
  return { logits, complete };
});

function lowerHalf() {
  return Array.from({ length: PIXELS }, (_, place) => place < PIXELS / 2);
}

/** A pixel: its grey, framed in blue if it was drawn; blue stripes if it is still missing. */
function drawCell(context, place, level, isNew) {
  const [x, y] = [(place % COLUMNS) * CELL, Math.floor(place / COLUMNS) * CELL];
  const grey = Math.round((255 * level) / (LEVELS - 1));
  context.fillStyle = level === null ? "#cfe3f1" : `rgb(${grey}, ${grey}, ${grey})`;
  context.fillRect(x, y, CELL, CELL);
  if (level === null) {
    context.strokeStyle = BLUE;
    context.lineWidth = 1;
    context.beginPath();
    for (let shift = 0; shift <= CELL; shift += CELL / 4) {
      context.moveTo(x + shift, y);
      context.lineTo(x, y + shift);
      context.moveTo(x + CELL, y + shift);
      context.lineTo(x + shift, y + CELL);
    }
    context.stroke();
  } else if (isNew) {
    frame(context, place, BLUE, 2);
  }
}

function frame(context, place, color, width) {
  const [x, y] = [(place % COLUMNS) * CELL, Math.floor(place / COLUMNS) * CELL];
  context.strokeStyle = color;
  context.lineWidth = width;
  context.strokeRect(x + width / 2, y + width / 2, CELL - width, CELL - width);
}

/** A bar for each level, the one that was drawn in orange, above a strip of the greys themselves. */
function drawChart(context, step) {
  const [left, top, bottom] = [34, 12, CHART_HEIGHT - 44];
  const width = (SIDE - left - 8) / LEVELS;
  context.fillStyle = "white";
  context.fillRect(0, 0, SIDE, CHART_HEIGHT);
  context.font = "13px sans-serif";
  context.textAlign = "right";
  for (const tick of [0, 0.5, 1]) {
    const y = bottom - tick * (bottom - top);
    context.fillStyle = "#d0d0d0";
    context.fillRect(left, y, SIDE - left - 8, 1);
    context.fillStyle = "black";
    context.fillText(tick, left - 6, y + 5);
  }
  for (let level = 0; level < LEVELS; level++) {
    const grey = (255 * level) / (LEVELS - 1);
    context.fillStyle = `rgb(${grey}, ${grey}, ${grey})`;
    context.fillRect(left + level * width, bottom + 6, width + 0.5, 14);
    if (!step) continue;
    const height = step.probabilities[level] * (bottom - top);
    context.fillStyle = level === step.level ? ORANGE : BLUE;
    context.fillRect(left + level * width + 1, bottom - height, width - 2, height);
  }
  context.strokeStyle = "#808080";
  context.lineWidth = 1;
  context.strokeRect(left, bottom + 6, LEVELS * width, 14);
  context.fillStyle = "black";
  context.textAlign = "center";
  context.fillText(step ? "probability of each grey" : "press Complete", left + (LEVELS * width) / 2, CHART_HEIGHT - 8);
}
