"use strict";
/* The network in WebAssembly: what it is called with, and what it tells. */

class Network {
  /* net is what net.js holds: the module in base64, the step in seconds, sizes and names. */
  static async load(net) {
    const bytes = Uint8Array.from(atob(net.module), (letter) => letter.charCodeAt(0));
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Network(instance.exports, net);
  }

  constructor(exports, net) {
    this.exports = exports;
    this.net = net;
    this.neurons = net.layers.reduce((sum, size) => sum + size, 0);
    this.begin();
  }

  begin() {
    this.exports.port_begin();
  }

  /* Take a step with events [channel, count]; return what happened in it. */
  step(events) {
    for (const [channel, count] of events) this.exports.port_event(channel, count);
    this.exports.port_step();
    return this.told(events);
  }

  /* Take a sample, -1 to 1; with the last of a time step return what happened in it, else nothing. */
  sample(value) {
    const whole = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
    if (!this.exports.port_sample(whole)) return undefined;
    const bands = new Int16Array(this.exports.memory.buffer, this.exports.port_bands(), this.net.inputs);
    return this.told(Array.from(bands, (unit, band) => [band, unit]));
  }

  told(events) {
    const memory = this.exports.memory.buffer;
    const spikes = new Uint8Array(memory, this.exports.port_spikes(), this.neurons).slice();
    const scores = new BigUint64Array(memory, this.exports.port_scores(), this.net.classes.length);
    return {
      events,
      spikes,
      scores: Array.from(scores, (score) => Number(score) / 65536),
      decision: this.exports.port_decision(),
      confidence: (this.exports.port_confidence() >>> 0) / 65536,
    };
  }

  /* Run a whole recording, whose events are [channel, count, channel, count, ...] of each step; return what was decided
     and all spikes. */
  recognise(recording) {
    this.begin();
    return whole(recordingSteps(recording).map((events) => this.step(events)));
  }

  /* Run samples at the network's rate; return what was decided and all spikes. */
  hear(samples) {
    this.begin();
    return whole(Array.from(samples, (value) => this.sample(value)).filter((told) => told));
  }
}

/* The events of each step as pairs of channel and count. */
function recordingSteps(recording) {
  return recording.events.map((flat) => flat.filter((_, place) => place % 2 === 0).map((channel, i) => [channel, flat[2 * i + 1]]));
}

function whole(told) {
  return { ...told[told.length - 1], spikes: told.map((each) => each.spikes) };
}

if (typeof module !== "undefined") module.exports = { Network, recordingSteps };
