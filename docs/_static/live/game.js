// The adversarial game in one dimension: two small networks take Adam steps in the page, and their curves are drawn.

import { button, canvas, element, legend, loadData, loadModel, normalNumbers, randomNumbers, slider, start,
  statusLine } from "./live.js";

const HEIGHTS = { density: 220, verdict: 150 }; // CSS pixels
const COLORS = { data: "#0072b2", fake: "#d55e00", verdict: "#009e73", best: "#444444" };
const ROUNDS = 20; // of one press

await start("game", async (body) => {
  const [discriminatorStep, generatorStep, curvesOf, data] = await Promise.all([
    loadModel("game_discriminator"), loadModel("game_generator"), loadModel("game_curves"), loadData("game"),
  ]);

  // A player's state: its parameters, then Adam's mean and mean square of the gradients, as one array of 3 P numbers.
  const fresh = (parameters) => Float32Array.from([...parameters, ...Array(2 * parameters.length).fill(0)]);
  const begin = () => ({
    generator: fresh(data.start.generator), discriminator: fresh(data.start.discriminator), steps: { D: 0, G: 0 },
  });
  const players = ({ generator, discriminator }) => ({
    generator: { data: generator, dims: [3, generator.length / 3] },
    discriminator: { data: discriminator, dims: [3, discriminator.length / 3] },
  });
  const scalar = (value) => ({ data: [value], dims: [] });
  const column = (values) => ({ data: values, dims: [values.length, 1] });

  /** The game after a step of the discriminator on a batch of real numbers, against fakes of this noise. */
  async function moveDiscriminator(game, lr, { real, noise }) {
    const inputs = { steps: scalar(game.steps.D), lr: scalar(lr), real: column(real), noise: column(noise) };
    const { state } = await discriminatorStep({ ...players(game), ...inputs });
    return { ...game, discriminator: state, steps: { ...game.steps, D: game.steps.D + 1 } };
  }

  /** The game after a step of the generator on this noise. */
  async function moveGenerator(game, lr, noise) {
    const { state } = await generatorStep({ ...players(game), steps: scalar(game.steps.G), lr: scalar(lr), noise: column(noise) });
    return { ...game, generator: state, steps: { ...game.steps, G: game.steps.G + 1 } };
  }

  const curves = (game) => curvesOf(players(game));

  /** Play these rounds from the start: a round is {discriminator: [{real, noise}, ...], generator: noise}. */
  async function play(rounds, discriminatorRate, generatorRate) {
    let game = begin();
    for (const round of rounds) {
      for (const batch of round.discriminator) game = await moveDiscriminator(game, discriminatorRate, batch);
      game = await moveGenerator(game, generatorRate, round.generator);
    }
    const numbers = { generator: game.generator, discriminator: game.discriminator, ...(await curves(game)) };
    return Object.fromEntries(Object.entries(numbers).map(([name, values]) => [name, Array.from(values)]));
  }

  const width = Math.min(620, body.clientWidth);
  legend(body, [
    [COLORS.data, "data"], [COLORS.fake, "fakes"], [COLORS.verdict, "D(x)"], [COLORS.best, "the best D (dashed)"],
  ]);
  const density = canvas(body, width, HEIGHTS.density, "The density of the data and that of the generator's fakes.");
  const verdict = canvas(body, width, HEIGHTS.verdict, "D(x): how sure the discriminator is that x is real.");
  const controls = element("div", { className: "live-controls" });
  body.append(controls);

  let game = begin(), random, normal, running = false, last = Promise.resolve();
  const settings = { steps: 3, discriminatorRate: 0.01, generatorRate: 0.005 };
  const reseed = () => { random = randomNumbers(1); normal = normalNumbers(random); };
  const noise = () => Array.from({ length: data.batch_size }, normal);
  const real = () => Array.from({ length: data.batch_size }, () => {
    const part = random() < data.mixture.weights[0] ? 0 : 1;
    return data.mixture.means[part] + data.mixture.stds[part] * normal();
  });

  async function discriminatorMoves() {
    for (let n = 0; n < settings.steps; n++) {
      game = await moveDiscriminator(game, settings.discriminatorRate, { real: real(), noise: noise() });
    }
  }
  async function generatorMoves() {
    game = await moveGenerator(game, settings.generatorRate, noise());
  }
  async function round() {
    await discriminatorMoves();
    await generatorMoves();
  }
  async function restart() {
    game = begin();
    reseed();
  }

  /** One action after another, however fast the buttons are pressed; then the curves are drawn. */
  const turn = (action) => (last = last.then(action).then(show));

  async function show() {
    const { p_fake: fake, verdict: learned, best } = await curves(game);
    clear(density, width, HEIGHTS.density, data.limit);
    area(density, width, HEIGHTS.density, data.p_data, COLORS.data);
    line(density, width, HEIGHTS.density, fake, COLORS.fake);
    clear(verdict, width, HEIGHTS.verdict, data.limit);
    line(verdict, width, HEIGHTS.verdict, best, COLORS.best, [4, 4]);
    line(verdict, width, HEIGHTS.verdict, learned, COLORS.verdict);
    const bin = (2 * data.limit) / fake.length;
    const common = fake.reduce((sum, value, index) => sum + Math.min(value, data.p_data[index]) * bin, 0);
    said.textContent = `Steps of D: ${game.steps.D}, of G: ${game.steps.G}. The two densities share ${Math.round(100 * common)} %.`;
  }

  button(controls, "D moves", () => turn(discriminatorMoves));
  button(controls, "G moves", () => turn(generatorMoves));
  button(controls, `${ROUNDS} rounds`, () => turn(async () => {
    for (let n = 0; n < ROUNDS; n++) await round();
  }));
  const runner = button(controls, "Run", async () => {
    running = !running;
    runner.textContent = running ? "Stop" : "Run";
    said.setAttribute("aria-live", running ? "off" : "polite"); // nobody wants sixty sentences a second read out
    while (running) {
      await turn(round);
      await new Promise(requestAnimationFrame);
    }
  });
  button(controls, "Start again", () => turn(restart));
  slider(controls, { label: "steps of D a round", min: 1, max: 20, step: 1, value: 3, onInput: (value) => { settings.steps = value; } });
  for (const [label, name] of [["rate of D", "discriminatorRate"], ["rate of G", "generatorRate"]]) {
    const onInput = (exponent) => { settings[name] = 10 ** exponent; };
    const format = (exponent) => (10 ** exponent).toPrecision(2);
    slider(controls, { label, min: -4, max: -1, step: 0.1, value: Math.log10(settings[name]), onInput, format });
  }
  const said = statusLine(body);
  await turn(restart);
  return { play, moveDiscriminator, moveGenerator, begin, curves };
});

/** An empty picture: the line from -limit to limit, and heights from 0 to 1, with a mark at one half. */
function clear(context, width, height, limit) {
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.fillStyle = "#d0d0d0";
  context.fillRect(0, toY(0.5, height), width, 1);
  context.fillRect(0, toY(0, height), width, 1);
  context.fillStyle = "black";
  context.font = "13px sans-serif";
  context.textAlign = "left";
  context.fillText("0.5", 3, toY(0.5, height) - 4);
  context.textAlign = "center";
  for (let x = 1 - limit; x < limit; x += 2) context.fillText(x, ((x / limit + 1) / 2) * width, height - 4);
}

/** Heights from 0 to 1 leave room below for the numbers. */
function toY(value, height) {
  return 8 + (1 - Math.min(1, value)) * (height - 30);
}

function path(context, width, height, values) {
  context.beginPath();
  values.forEach((value, index) => context.lineTo(((index + 0.5) / values.length) * width, toY(value, height)));
}

function line(context, width, height, values, color, dashes = []) {
  path(context, width, height, values);
  context.strokeStyle = color;
  context.lineWidth = 2;
  context.setLineDash(dashes);
  context.stroke();
}

function area(context, width, height, values, color) {
  path(context, width, height, values);
  context.lineTo(width, toY(0, height));
  context.lineTo(0, toY(0, height));
  context.fillStyle = color;
  context.globalAlpha = 0.35;
  context.fill();
  context.globalAlpha = 1;
}
