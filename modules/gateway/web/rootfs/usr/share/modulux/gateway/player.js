// In the browser's audio thread: plays what the decoder hands over, a little behind, so that packets that come unevenly are not heard.

const LEAD = 2400; // frames (50 ms) that are waiting before playing begins, and again after it ran dry
const MOST = 6000; // frames (125 ms) beyond which the oldest are dropped: better a click than a picture and its sound apart

class Player extends AudioWorkletProcessor {
  #chunks = []; #offset = 0; #waiting = 0; #playing = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }) => {
      this.#chunks.push(data);
      this.#waiting += data[0].length;
      while (this.#waiting > MOST) this.#drop();
    };
  }

  #drop() {
    this.#waiting -= this.#chunks.shift()[0].length - this.#offset;
    this.#offset = 0;
  }

  process(_, [output]) {
    const wanted = output[0].length;
    if (!this.#playing && this.#waiting < LEAD) return true;
    this.#playing = this.#waiting >= wanted;
    if (!this.#playing) return true;
    for (let done = 0; done < wanted;) {
      const chunk = this.#chunks[0];
      const count = Math.min(wanted - done, chunk[0].length - this.#offset);
      for (let channel = 0; channel < output.length; channel += 1) {
        output[channel].set((chunk[channel] ?? chunk[0]).subarray(this.#offset, this.#offset + count), done);
      }
      done += count;
      this.#offset += count;
      this.#waiting -= count;
      if (this.#offset === chunk[0].length) {
        this.#chunks.shift();
        this.#offset = 0;
      }
    }
    return true;
  }
}

registerProcessor("player", Player);
