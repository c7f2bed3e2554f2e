// What the desktop plays: Opus packets from the gateway, decoded by the browser. Off until it is asked for, as browsers demand.

import { address } from "./address.js";

const AGAIN = 2000; // ms after which a lost connection is opened again

export class Sound {
  #context = null; #node = null; #decoder = null; #socket = null; #timer = 0; #on = false; #time = 0;

  get possible() { return "AudioDecoder" in window && "AudioWorkletNode" in window; }

  get on() { return this.#on; }

  async toggle() {
    this.#on = !this.#on;
    if (!this.#on) return this.#stop();
    try {
      await this.#prepare();
      this.#listen();
    } catch (error) {
      this.#on = false;
      throw error;
    }
  }

  async #prepare() {
    if (!this.#context) {
      this.#context = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
      await this.#context.audioWorklet.addModule(new URL("./player.js", import.meta.url));
      this.#node = new AudioWorkletNode(this.#context, "player", { numberOfInputs: 0, outputChannelCount: [2] });
      this.#node.connect(this.#context.destination);
    }
    await this.#context.resume();
  }

  #listen() {
    const socket = this.#socket = new WebSocket(address("/sound"));
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#packet(data));
    socket.addEventListener("close", () => {
      if (socket === this.#socket && this.#on) this.#timer = setTimeout(() => this.#listen(), AGAIN);
    });
  }

  #packet(data) {
    if (!this.#decoder || this.#decoder.state === "closed") {
      this.#decoder = new AudioDecoder({ output: (sound) => this.#play(sound), error: () => { /* begun anew at the next packet */ } });
      this.#decoder.configure({ codec: "opus", sampleRate: 48000, numberOfChannels: 2 });
    }
    this.#decoder.decode(new EncodedAudioChunk({ type: "key", timestamp: this.#time, data }));
    this.#time += 10000; // µs
  }

  #play(sound) {
    const channels = Array.from({ length: sound.numberOfChannels }, (_, planeIndex) => {
      const samples = new Float32Array(sound.numberOfFrames);
      sound.copyTo(samples, { planeIndex, format: "f32-planar" });
      return samples;
    });
    sound.close();
    this.#node.port.postMessage(channels, channels.map((samples) => samples.buffer));
  }

  #stop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    if (this.#decoder?.state === "configured") this.#decoder.close();
    this.#decoder = null;
    return this.#context?.suspend();
  }
}
