// A screen's clipboard as UTF-8, past RFB: each message is its size in four bytes, then a kind: `t` a text, `e` why one was not taken.
// Emits "text" and "refused" (both a string).

import { address } from "./address.js";

const AGAIN = 3000; // ms after which a lost connection is opened again
const SLICE = 1 << 18; // bytes in one WebSocket message, well below what the gateway takes
const MOST = 1 << 26; // bytes; more is nonsense

export class Channel extends EventTarget {
  #screen; #socket = null; #timer = 0; #bytes = new Uint8Array(0);

  constructor(screen) {
    super();
    this.#screen = screen;
    this.#open();
  }

  get ready() { return this.#socket?.readyState === WebSocket.OPEN; }

  close() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  send(text) {
    const letters = new TextEncoder().encode(text);
    const message = new Uint8Array(5 + letters.length);
    new DataView(message.buffer).setUint32(0, 1 + letters.length);
    message[4] = "t".charCodeAt(0);
    message.set(letters, 5);
    for (let start = 0; start < message.length; start += SLICE) this.#socket.send(message.subarray(start, start + SLICE));
  }

  #open() {
    const socket = this.#socket = new WebSocket(address("/clipboard", { screen: this.#screen }));
    socket.binaryType = "arraybuffer";
    this.#bytes = new Uint8Array(0);
    socket.addEventListener("message", ({ data }) => { if (socket === this.#socket) this.#received(new Uint8Array(data)); });
    socket.addEventListener("close", () => {
      if (socket === this.#socket) this.#timer = setTimeout(() => this.#open(), AGAIN);
    });
  }

  #received(more) {
    const bytes = new Uint8Array(this.#bytes.length + more.length);
    bytes.set(this.#bytes);
    bytes.set(more, this.#bytes.length);
    let start = 0;
    while (bytes.length - start >= 5) {
      const size = new DataView(bytes.buffer, start).getUint32(0);
      if (size > MOST) return this.#socket.close();
      if (bytes.length - start < 4 + size) break;
      const text = new TextDecoder().decode(bytes.subarray(start + 5, start + 4 + size));
      this.dispatchEvent(new CustomEvent(bytes[start + 4] === 0x74 ? "text" : "refused", { detail: text }));
      start += 4 + size;
    }
    this.#bytes = bytes.slice(start);
  }
}
