"use strict";
/* Draws a recording as it is heard. NET, RECORDINGS and Network come from the files beside this one. */

const byId = (id) => document.getElementById(id);

function raster(canvas, rows, columns) {
  canvas.width = columns * 6;
  canvas.height = Math.max(60, rows);
  const context = canvas.getContext("2d");
  const height = canvas.height / rows;
  return {
    clear: () => context.clearRect(0, 0, canvas.width, canvas.height),
    dot: (row, column) => {
      context.fillStyle = "#222";
      context.fillRect(column * 6, canvas.height - (row + 1) * height, 5, Math.max(1, height));
    },
  };
}

function bars(classes) {
  return classes.map((name) => {
    const row = document.createElement("div");
    const bar = document.createElement("i");
    row.append(name, bar);
    byId("bars").append(row);
    return bar;
  });
}

async function main() {
  const network = await Network.load(NET);
  const longest = Math.max(...RECORDINGS.map((recording) => recording.steps));
  byId("about").textContent =
    `${[NET.inputs, ...NET.layers, NET.classes.length].join("-")}, weights of ${NET.bits} bits, ` +
    `${Math.round(atob(NET.module).length / 1024)} kB of WebAssembly. Nothing leaves this page.`;
  RECORDINGS.forEach((recording, index) => byId("recording").append(new Option(recording.name, index)));
  const input = raster(byId("input"), NET.inputs, longest);
  const layers = NET.layers.map((size, index) => {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = `Spikes of hidden layer ${index + 1}`;
    const canvas = document.createElement("canvas");
    figure.append(caption, canvas);
    byId("layers").append(figure);
    return { size, raster: raster(canvas, size, longest) };
  });
  const shown = bars(NET.classes);
  let playing = 0;

  async function play() {
    const mine = ++playing;
    const recording = RECORDINGS[byId("recording").value];
    const speed = Number(byId("speed").value);
    network.begin();
    [input, ...layers.map((layer) => layer.raster)].forEach((each) => each.clear());
    let told;
    for (let step = 0; step < recording.steps; step++) {
      const events = recording.events.filter((event) => event[0] === step).map((event) => event.slice(1));
      told = network.step(events);
      events.forEach(([channel]) => input.dot(channel, step));
      let first = 0;
      for (const layer of layers) {
        for (let i = 0; i < layer.size; i++) if (told.spikes[first + i]) layer.raster.dot(i, step);
        first += layer.size;
      }
      const total = told.scores.reduce((sum, score) => sum + score, 0);
      told.scores.forEach((score, index) => { shown[index].style.width = `${(100 * score) / total}%`; });
      byId("decision").textContent =
        `${NET.classes[told.decision]}, ${Math.round(100 * told.confidence)} % sure after ${step + 1} steps`;
      if (speed < 100) await new Promise((resolve) => setTimeout(resolve, (1000 * NET.step) / speed));
      if (mine !== playing) return;
    }
    byId("decision").textContent +=
      told.decision === recording.label ? ": right" : `: wrong, it is ${NET.classes[recording.label]}`;
    document.body.dataset.decision = NET.classes[told.decision];
  }

  byId("play").addEventListener("click", play);
  window.silif = { network, recordings: RECORDINGS };
  document.body.dataset.ready = "yes";
}

main();
