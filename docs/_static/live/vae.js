// A walk in the latent space of a VAE: drag the point, and the decoder draws the digit that lies there.

import { arrowKeys, canvas, draggable, drawPixels, loadModel, start, statusLine } from "./live.js";

const SIDE = 300; // pixels of the plane and of the image
const LIMIT = 3; // the plane shows both latents from -3 to 3
const STEP = 0.1; // of an arrow key
const PLANE = 15; // so many digits a side lie behind the point

await start("vae", async (body) => {
  const decode = await loadModel("vae");
  const image = async (z) => (await decode({ z: { data: z, dims: [1, 2] } })).image;

  const plane = canvas(body, SIDE, SIDE, "The plane of the two latents, with the digit that each place decodes to.");
  const picture = canvas(body, SIDE, SIDE, "The digit at the point.");
  const said = statusLine(body);

  // The map behind the point is drawn once, and kept.
  const cell = SIDE / PLANE;
  for (let row = 0; row < PLANE; row++) {
    for (let column = 0; column < PLANE; column++) {
      const z = toLatents((column + 0.5) * cell, (row + 0.5) * cell);
      drawPixels(plane, Array.from(await image(z), (value) => 0.75 * value), 8, column * cell, row * cell, cell);
    }
  }
  const map = plane.getImageData(0, 0, plane.canvas.width, plane.canvas.height);

  let point = [0, 0];
  async function show(z) {
    point = z.map((value) => Math.min(LIMIT, Math.max(-LIMIT, value)));
    plane.putImageData(map, 0, 0);
    plane.beginPath();
    plane.arc(...toPlane(point), 7, 0, 2 * Math.PI);
    plane.fillStyle = "#e69f00";
    plane.fill();
    plane.strokeStyle = "white";
    plane.lineWidth = 2;
    plane.stroke();
    said.textContent = `z = (${point[0].toFixed(2)}, ${point[1].toFixed(2)})`;
    drawPixels(picture, await image(point), 8, 0, 0, SIDE);
  }
  draggable(plane, SIDE, SIDE, (x, y) => show(toLatents(x, y)));
  arrowKeys(plane, (dx, dy) => show([point[0] + STEP * dx, point[1] - STEP * dy]));
  await show(point);
  return { image };
});

/** The latents of a place on the plane; the second grows upwards. */
function toLatents(x, y) {
  return [(2 * x / SIDE - 1) * LIMIT, (1 - 2 * y / SIDE) * LIMIT];
}

/** The place of latents on the plane. */
function toPlane(z) {
  return [((z[0] / LIMIT + 1) / 2) * SIDE, ((1 - z[1] / LIMIT) / 2) * SIDE];
}
