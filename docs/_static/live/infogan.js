// The codes of an InfoGAN: a category to choose, two values to slide, and the noise that is left.

import { button, canvas, choice, draggable, drawPixels, element, loadModel, normalNumbers, randomNumbers, slider, start,
  statusLine } from "./live.js";

const SIDE = 300; // CSS pixels of the large image
const LIMIT = 1.5; // trained on values in [-1, 1]; the sliders go beyond
const [NUM_CATEGORIES, LATENT_DIM, PIXELS] = [10, 4, 64];
const COLUMNS = 5, CELL = 60, GAP = 6; // of the overview: a digit for each category
const ROWS = NUM_CATEGORIES / COLUMNS;

await start("infogan", async (body) => {
  const generate = await loadModel("infogan");
  /** The images of all categories, one after another, 10 x 64 numbers in [0, 1]. */
  const images = async (noise, values) => {
    return (await generate({ noise: { data: noise, dims: [1, LATENT_DIM] }, values: { data: values, dims: [1, 2] } })).images;
  };

  const normal = normalNumbers(randomNumbers(1));
  const newNoise = () => Array.from({ length: LATENT_DIM }, normal);
  let category = 0, values = [0, 0], noise = newNoise();

  const picture = canvas(body, SIDE, SIDE, "The digit of the chosen category.");
  const overview = canvas(body, COLUMNS * CELL, ROWS * CELL, "The digits of all ten categories, of the same values and noise.");
  const controls = element("div", { className: "live-controls" });
  body.append(controls);

  const categories = Array.from({ length: NUM_CATEGORIES }, (_, k) => [k, `category ${k}`]);
  const chosen = choice(controls, "category", categories, (value) => { category = Number(value); show(); });
  button(controls, "New noise", () => { noise = newNoise(); show(); });
  ["first value", "second value"].forEach((label, index) => {
    const onInput = (value) => { values = values.with(index, value); show(); };
    slider(controls, { label, min: -LIMIT, max: LIMIT, step: 0.05, value: 0, onInput });
  });
  const said = statusLine(body);

  async function show() {
    const all = await images(noise, values);
    overview.fillStyle = "#808080";
    overview.fillRect(0, 0, COLUMNS * CELL, ROWS * CELL);
    for (let k = 0; k < NUM_CATEGORIES; k++) {
      const [x, y] = [(k % COLUMNS) * CELL, Math.floor(k / COLUMNS) * CELL];
      overview.fillStyle = "#e69f00";
      if (k === category) overview.fillRect(x, y, CELL, CELL);
      drawPixels(overview, all.subarray(k * PIXELS, (k + 1) * PIXELS), 8, x + GAP / 2, y + GAP / 2, CELL - GAP);
    }
    drawPixels(picture, all.subarray(category * PIXELS, (category + 1) * PIXELS), 8, 0, 0, SIDE);
    said.textContent = `category ${category}, values (${values.map((value) => value.toFixed(2)).join(", ")})`;
  }

  draggable(overview, COLUMNS * CELL, ROWS * CELL, (x, y) => {
    const [column, row] = [Math.floor(x / CELL), Math.floor(y / CELL)];
    if (column < 0 || column >= COLUMNS || row < 0 || row >= ROWS) return;
    category = row * COLUMNS + column;
    chosen.value = category;
    show();
  });
  await show();
  return { images };
});
