"use strict";
/* Draws what is heard. NET, RECORDINGS, Network and recordingSteps come from the files beside this one. */

const byId = (id) => document.getElementById(id);

class Raster {
  constructor(canvas, rows, columns) {
    canvas.width = columns * 6;
    canvas.height = Math.max(60, rows);
    this.context = canvas.getContext("2d");
    this.canvas = canvas;
    this.height = canvas.height / rows;
  }

  clear() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /* shade: 0 is white, 1 is black. */
  dot(row, column, shade = 1) {
    const grey = Math.round(255 * (1 - shade));
    this.context.fillStyle = `rgb(${grey}, ${grey}, ${grey})`;
    this.context.fillRect(column * 6, this.canvas.height - (row + 1) * this.height, 5, Math.max(1, this.height));
  }
}

class Display {
  constructor(net) {
    this.net = net;
    this.input = new Raster(byId("input"), net.inputs, net.horizon);
    this.layers = net.layers.map((size, index) => {
      const figure = document.createElement("figure");
      const caption = document.createElement("figcaption");
      caption.textContent = `Spikes of hidden layer ${index + 1}`;
      const canvas = document.createElement("canvas");
      figure.append(caption, canvas);
      byId("layers").append(figure);
      return new Raster(canvas, size, net.horizon);
    });
    this.bars = net.classes.map((name) => {
      const row = document.createElement("div");
      const bar = document.createElement("i");
      row.append(name, bar);
      byId("bars").append(row);
      return bar;
    });
  }

  clear() {
    [this.input, ...this.layers].forEach((raster) => raster.clear());
  }

  show(told, step) {
    for (const [channel, count] of told.events) {
      this.input.dot(channel, step, this.net.rate ? (count + this.net.limit) / (2 * this.net.limit) : 1);
    }
    let first = 0;
    this.layers.forEach((raster, index) => {
      for (let i = 0; i < this.net.layers[index]; i++) if (told.spikes[first + i]) raster.dot(i, step);
      first += this.net.layers[index];
    });
    const total = told.scores.reduce((sum, score) => sum + score, 0);
    told.scores.forEach((score, index) => { this.bars[index].style.width = `${(100 * score) / total}%`; });
    const sure = Math.round(100 * told.confidence);
    this.say(`${this.net.classes[told.decision]}, ${sure} % sure after ${step + 1} steps`);
  }

  say(text) {
    byId("decision").textContent = text;
  }
}

async function main() {
  const network = await Network.load(NET);
  const display = new Display(NET);
  let turn = 0; // of what is playing: another one ends it
  let microphone;

  const size = Math.round(atob(NET.module).length / 1024);
  byId("about").textContent =
    `${[NET.inputs, ...NET.layers, NET.classes.length].join("-")}, weights of ${NET.bits} bits, ` +
    `${size} kB of WebAssembly. Nothing leaves this page.`;
  RECORDINGS.forEach((recording, index) => byId("recording").append(new Option(recording.name, index)));

  function begin() {
    turn++;
    network.begin();
    display.clear();
    if (microphone) microphone.close();
    microphone = undefined;
    return turn;
  }

  const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

  async function play() {
    const mine = begin();
    const recording = RECORDINGS[byId("recording").value];
    const speed = Number(byId("speed").value);
    let told;
    for (const [step, events] of recordingSteps(recording).entries()) {
      told = network.step(events);
      display.show(told, step);
      if (speed < 100) await pause(NET.step / speed);
      if (mine !== turn) return;
    }
    const right = told.decision === recording.label;
    byId("decision").textContent += right ? ": right" : `: wrong, it is ${NET.classes[recording.label]}`;
  }

  /* Take samples as they come; after the horizon all begins anew. */
  function listen() {
    let step = 0;
    return (samples) => {
      for (const value of samples) {
        const told = network.sample(value);
        if (!told) continue;
        if (step === 0) display.clear();
        display.show(told, step++);
        if (step === NET.horizon) {
          network.begin();
          step = 0;
        }
      }
    };
  }

  async function playFile(file) {
    const mine = begin();
    // Decoding resamples to the rate of the context.
    const context = new OfflineAudioContext(1, 1, NET.rate);
    const sound = await context.decodeAudioData(await file.arrayBuffer());
    const samples = sound.getChannelData(0);
    const hear = listen();
    const hop = Math.round(NET.step * NET.rate);
    const speed = Number(byId("speed").value);
    for (let start = 0; start < samples.length; start += hop) {
      hear(samples.subarray(start, start + hop));
      if (speed < 100) await pause(NET.step / speed);
      if (mine !== turn) return;
    }
    document.body.dataset.heard = byId("decision").textContent;
  }

  async function playMicrophone() {
    begin();
    // As it is: what browsers take for noise and echo may be what the network listens for.
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    const context = new AudioContext({ sampleRate: NET.rate });
    microphone = { close: () => { stream.getTracks().forEach((track) => track.stop()); context.close(); } };
    const hear = listen();
    const processor = context.createScriptProcessor(1024, 1, 1);
    processor.onaudioprocess = (event) => hear(event.inputBuffer.getChannelData(0));
    context.createMediaStreamSource(stream).connect(processor);
    processor.connect(context.destination);
  }

  const failing = (action) => (...given) => action(...given).catch((error) => display.say(`failed: ${error.message}`));
  byId("play").addEventListener("click", failing(play));
  byId("sound").hidden = !NET.rate;
  byId("file").addEventListener("change", failing((event) => playFile(event.target.files[0])));
  byId("microphone").addEventListener("click", failing(playMicrophone));
  window.silif = { network, recordings: RECORDINGS, playFile };
  if (location.hash === "#check") {
    byId("speed").value = "100";
    const told = RECORDINGS.map((recording) => network.recognise(recording).decision);
    await play();
    document.body.dataset.decisions = JSON.stringify(told);
  }
  document.body.dataset.ready = "yes";
}

main();
