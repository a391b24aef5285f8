// A mixture of Gaussians fitted to points that the reader sets, one step of expectation-maximisation at a time.

import {
  arrowKeys, button, canvas, draggable, element, normalNumbers, randomNumbers, slider, start, statusLine,
} from "./live.js";

const SIDE = 400; // CSS pixels; the plane goes from -1 to 1
const JITTER = 1e-3; // added to each variance at each step, so that no component shrinks onto one point
const COLORS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00"];

/** log w_k + log N(x; mu_k, cov_k) for one component {logWeight, mu: [2], cov: [4]} in the plane. */
function componentLogProb([x, y], { logWeight, mu, cov }) {
  const [a, b, , d] = cov;
  const determinant = a * d - b * b;
  const [u, v] = [x - mu[0], y - mu[1]];
  const squared = (d * u * u - 2 * b * u * v + a * v * v) / determinant;
  return logWeight - Math.log(2 * Math.PI) - 0.5 * Math.log(determinant) - 0.5 * squared;
}

function logSumExp(values) {
  const largest = Math.max(...values);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

/** The mean of log p(x) over the points, in nats. */
export function meanLogProb(points, components) {
  const sum = points.reduce((total, point) => total + logSumExp(components.map((c) => componentLogProb(point, c))), 0);
  return sum / points.length;
}

/** The components after one E and one M step. */
export function emStep(points, components, jitter = JITTER) {
  // E: the share of each component in each point.
  const shares = points.map((point) => {
    const terms = components.map((component) => componentLogProb(point, component));
    const total = logSumExp(terms);
    return terms.map((term) => Math.exp(term - total));
  });
  // M: weights, means and covariances, weighted by the shares.
  return components.map((component, k) => {
    const count = shares.reduce((sum, share) => sum + share[k], 0);
    if (count === 0) return { ...component, logWeight: -Infinity };
    const mean = (value) => points.reduce((sum, point, n) => sum + shares[n][k] * value(point), 0) / count;
    const mu = [mean((p) => p[0]), mean((p) => p[1])];
    const covariance = (i, j) => mean((p) => (p[i] - mu[i]) * (p[j] - mu[j]));
    const mixed = covariance(0, 1);
    return {
      logWeight: Math.log(count / points.length), mu, cov: [covariance(0, 0) + jitter, mixed, mixed, covariance(1, 1) + jitter],
    };
  });
}

await start("mixture", async (body) => {
  const plane = canvas(body, SIDE, SIDE, "The plane with your points, and an ellipse for each component.");
  const controls = element("div", { className: "live-controls" });
  body.append(controls);
  const said = statusLine(body);

  let points = [], components = [], steps = 0, number = 3, seed = 0, cursor = [0, 0];

  /** Components at points that a seed chooses, round and wide. */
  function begin() {
    const random = randomNumbers(seed++);
    components = Array.from({ length: number }, () => {
      const mu = points.length ? [...points[Math.floor(random() * points.length)]] : [2 * random() - 1, 2 * random() - 1];
      return { logWeight: -Math.log(number), mu, cov: [0.1, 0, 0, 0.1] };
    });
    steps = 0;
    show();
  }

  function show() {
    plane.fillStyle = "white";
    plane.fillRect(0, 0, SIDE, SIDE);
    for (const point of points) {
      const terms = components.map((component) => componentLogProb(point, component));
      dot(plane, point, COLORS[terms.indexOf(Math.max(...terms))] || "grey", 4);
    }
    components.forEach((component, k) => ellipse(plane, component, COLORS[k]));
    if (document.activeElement === plane.canvas) dot(plane, cursor, "black", 2);
    const fitted = points.length ? `, mean log p(x) = ${meanLogProb(points, components).toFixed(3)} nats` : "";
    said.textContent = `${points.length} points, ${steps} steps${fitted}`;
  }

  function step(times) {
    if (points.length < 2) {
      said.textContent = "Set at least two points first: click into the plane.";
      return;
    }
    for (let n = 0; n < times; n++) components = emStep(points, components);
    steps += times;
    show();
  }

  function add(point) {
    points.push(point);
    show();
  }

  draggable(plane, SIDE, SIDE, (x, y, event) => event.type === "pointerdown" && add([2 * x / SIDE - 1, 1 - 2 * y / SIDE]));
  arrowKeys(plane, (dx, dy) => {
    cursor = [cursor[0] + 0.05 * dx, cursor[1] - 0.05 * dy].map((value) => Math.min(1, Math.max(-1, value)));
    show();
  });
  plane.canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      add([...cursor]);
    }
  });
  button(controls, "One step", () => step(1));
  button(controls, "Twenty steps", () => step(20));
  button(controls, "New start", begin);
  button(controls, "No points", () => { points = []; begin(); });
  button(controls, "Example", () => { points = example(); begin(); });
  slider(controls, { label: "components", min: 1, max: 5, step: 1, value: number, onInput: (value) => { number = value; begin(); } });
  points = example();
  begin();
  return { emStep, meanLogProb };
});

/** Three clouds of points. */
function example() {
  const normal = normalNumbers(randomNumbers(7));
  const clouds = [[-0.5, 0.4, 0.16, 0.08], [0.45, 0.45, 0.08, 0.16], [0, -0.5, 0.24, 0.06]];
  return clouds.flatMap(([x, y, a, b]) => Array.from({ length: 30 }, () => [x + a * normal(), y + b * normal()]));
}

function place([x, y]) {
  return [((x + 1) / 2) * SIDE, ((1 - y) / 2) * SIDE];
}

function dot(context, point, color, radius) {
  context.fillStyle = color;
  context.beginPath();
  context.arc(...place(point), radius, 0, 2 * Math.PI);
  context.fill();
}

/** The places one and two standard deviations from the mean. */
function ellipse(context, { logWeight, mu, cov: [a, b, , d] }, color) {
  const middle = (a + d) / 2, spread = Math.hypot((a - d) / 2, b);
  const angle = 0.5 * Math.atan2(2 * b, a - d);
  context.strokeStyle = color;
  context.globalAlpha = Math.min(1, 0.3 + Math.exp(logWeight));
  for (const deviations of [1, 2]) {
    const [long, short] = [middle + spread, Math.max(0, middle - spread)].map((v) => (deviations * Math.sqrt(v) * SIDE) / 2);
    context.lineWidth = 4 - deviations;
    context.beginPath();
    context.ellipse(...place(mu), long, short, -angle, 0, 2 * Math.PI);
    context.stroke();
  }
  context.globalAlpha = 1;
}
