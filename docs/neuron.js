// The neuron page: the arithmetic of silif_plugins in a few functions, held against it by tests/test_neuron_page.py,
// and the drawing. Runs in a browser; in node it gives the functions alone.
"use strict";

// As silif_plugins.neurons.log_domain: rate x timestep is cut where float32 would leave its range.
const SLOWEST = 1e-13, FASTEST = Math.log(1e13);

function decay(rate, dt) {
  return Math.exp(-Math.min(Math.max(rate * dt, SLOWEST), FASTEST));
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/** SiLIF's parameters as a state space: times in seconds. */
function silif({tau_u, tau_w, dt, a, b}) {
  const alpha = decay(1 / tau_u, dt), beta = decay(1 / tau_w, dt), gain = 1 - alpha;
  const coupling = clamp(a, 0, 1), jump = clamp(b, 0, 2);
  return {
    a11: alpha - gain * coupling, a12: -gain * beta, a21: coupling, a22: beta,
    b1: gain, b2: 0, r1: -(alpha + gain * jump), r2: jump, threshold: 1,
  };
}

/** C-SiLIF's: decay in 1/s, omega in rad/s, dt in seconds, b the input gate. */
function csilif({decay: rate, omega, dt, b}) {
  const modulus = decay(rate, dt), phase = omega * dt;
  const real = modulus * Math.cos(phase), imaginary = modulus * Math.sin(phase);
  return {
    a11: real, a12: -imaginary, a21: imaginary, a22: real,
    b1: 2 * b, b2: 0, r1: -real, r2: -imaginary, threshold: 1,
  };
}

/** Eigenvalues of A, [[real, imaginary], [real, imaginary]]. */
function eigenvalues(s) {
  const mean = (s.a11 + s.a22) / 2, half = ((s.a11 - s.a22) / 2) ** 2 + s.a12 * s.a21;
  const root = Math.sqrt(Math.abs(half));
  return half < 0 ? [[mean, root], [mean, -root]] : [[mean + root, 0], [mean - root, 0]];
}

/** The three margins of the Jury criterion: stable if all are positive. */
function margins(s) {
  const coupling = s.a12 * s.a21;
  return [
    1 - (s.a11 * s.a22 - coupling),
    (1 - s.a11) * (1 - s.a22) - coupling,
    (1 + s.a11) * (1 + s.a22) - coupling,
  ];
}

/** Whether the neuron rings instead of integrating. */
function oscillates(s) {
  return ((s.a11 - s.a22) / 2) ** 2 + s.a12 * s.a21 < 0;
}

/** Run over currents from rest; without spikes if `fires` is false. */
function run(s, currents, fires = true) {
  let mem = 0, ada = 0, spk = 0;
  const states = {mem: [], ada: [], spk: []};
  for (const current of currents) {
    const next = s.a11 * mem + s.a12 * ada + s.b1 * current + s.r1 * spk;
    ada = s.a21 * mem + s.a22 * ada + s.b2 * current + s.r2 * spk;
    mem = next;
    spk = fires && mem - s.threshold > 0 ? 1 : 0;
    states.mem.push(mem);
    states.ada.push(ada);
    states.spk.push(spk);
  }
  return states;
}

const MODELS = {
  "SiLIF": {
    space: silif,
    sliders: {
      tau_u: [0.004, 0.1, 0.03, "τ_u: time constant of the membrane [s]"],
      tau_w: [0.1, 0.4, 0.15, "τ_w: time constant of the adaptation [s]"],
      dt: [0.0005, 0.03, 0.004, "Δ: timestep [s]"],
      a: [0, 1, 0.1, "a: membrane to adaptation"],
      b: [0, 2, 0.5, "b: spike to adaptation"],
    },
  },
  "C-SiLIF": {
    space: csilif,
    sliders: {
      decay: [0.05, 10, 0.5, "-Re λ: decay [1/s]"],
      omega: [0, 20, Math.PI, "Im λ: angular frequency [rad/s]"],
      dt: [0.001, 0.5, 0.1, "Δ: timestep [s]"],
      b: [0, 1, 0.5, "b: input gate"],
    },
  },
};

if (typeof module !== "undefined") {
  module.exports = {silif, csilif, eigenvalues, margins, oscillates, run};
}

// ---- the page ----

const STEPS = 200;

function draw(place) {
  const values = {};
  for (const input of place.querySelectorAll("input[type=range]")) values[input.name] = Number(input.value);
  for (const output of place.querySelectorAll("output")) {
    output.value = Number(values[output.name].toPrecision(3));
  }
  const name = place.querySelector("select").value;
  const space = MODELS[name].space(values);
  const impulse = Array.from({length: STEPS}, (_, t) => (t === 0 ? 1 : 0));
  const constant = Array.from({length: STEPS}, (_, t) => (t < 150 ? values.current : 0));
  const free = run(space, impulse, false), driven = run(space, constant);
  lines(place.querySelector(".impulse"), [free.mem, free.ada], []);
  lines(place.querySelector(".driven"), [driven.mem, driven.ada], driven.spk, space.threshold);
  disc(place.querySelector(".disc"), eigenvalues(space));
  const radius = Math.max(...eigenvalues(space).map(([x, y]) => Math.hypot(x, y)));
  const stable = margins(space).every((margin) => margin > 0) ? "stable" : "not stable";
  const spikes = driven.spk.reduce((sum, each) => sum + each, 0);
  place.querySelector(".said").textContent =
    `${oscillates(space) ? "oscillates" : "integrates"}, ${stable}: |eigenvalue| ${radius.toFixed(4)}; ${spikes} spikes`;
}

function pen(canvas) {
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.lineWidth = 1.5;
  return context;
}

function lines(canvas, curves, spikes, level) {
  const context = pen(canvas), {width, height} = canvas;
  const all = curves.flat().filter(Number.isFinite);
  const low = Math.min(0, ...all), high = Math.max(level || 0, ...all, low + 1e-9);
  const x = (t) => (t * width) / STEPS, y = (v) => height - 6 - ((v - low) * (height - 24)) / (high - low);
  const colours = ["#1e88e5", "#e65100"];
  context.strokeStyle = "#999";
  for (const mark of level === undefined ? [0] : [0, level]) {
    context.beginPath();
    context.moveTo(0, y(mark));
    context.lineTo(width, y(mark));
    context.stroke();
  }
  curves.forEach((curve, index) => {
    context.strokeStyle = colours[index];
    context.beginPath();
    curve.forEach((value, t) => (t ? context.lineTo(x(t), y(value)) : context.moveTo(x(t), y(value))));
    context.stroke();
  });
  context.fillStyle = "#e53935";
  spikes.forEach((spike, t) => spike && context.fillRect(x(t) - 1, 0, 2, 12));
}

function disc(canvas, values) {
  const context = pen(canvas), centre = canvas.width / 2, radius = centre * 0.85;
  context.strokeStyle = "#999";
  context.beginPath();
  context.arc(centre, centre, radius, 0, 2 * Math.PI);
  context.moveTo(0, centre);
  context.lineTo(2 * centre, centre);
  context.moveTo(centre, 0);
  context.lineTo(centre, 2 * centre);
  context.stroke();
  context.fillStyle = "#1e88e5";
  for (const [real, imaginary] of values) {
    context.beginPath();
    context.arc(centre + radius * real, centre - radius * imaginary, 5, 0, 2 * Math.PI);
    context.fill();
  }
}

function build(place) {
  const name = place.querySelector("select").value;
  const sliders = {...MODELS[name].sliders, current: [0, 20, name === "SiLIF" ? 5 : 1, "I: input, for 150 steps"]};
  place.querySelector(".sliders").innerHTML = Object.entries(sliders)
    .map(([key, [low, high, value, words]]) => {
      const range = `min="${low}" max="${high}" step="${(high - low) / 1000}" value="${value}"`;
      return `<label>${words} <output name="${key}"></output><input type="range" name="${key}" ${range}></label>`;
    })
    .join("");
  draw(place);
}

if (typeof document !== "undefined") {
  const start = () => {
    const place = document.getElementById("neuron");
    place.querySelector("select").innerHTML = Object.keys(MODELS).map((name) => `<option>${name}</option>`).join("");
    place.querySelector("select").addEventListener("change", () => build(place));
    place.addEventListener("input", (event) => event.target.type === "range" && draw(place));
    build(place);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
}
