// A screen on show: its place in the page, its connection, and its clipboard where it has one of its own.
// Emits what its connection emits, and "touched" when the pointer is pressed on it.

import { Channel } from "./channel.js";
import { Connection } from "./connection.js";

export class Pane extends EventTarget {
  name; connection; channel = null; state = { state: "connecting" };

  constructor(place, name, options) {
    super();
    this.name = name;
    this.element = Object.assign(document.createElement("div"), { className: "pane" });
    place.append(this.element);
    this.connection = new Connection(this.element, name, options);
    this.connection.addEventListener("state", ({ detail }) => {
      this.state = detail;
      this.element.dataset.state = detail.state;
      this.#emit("state", detail);
    });
    this.connection.addEventListener("clipboard", ({ detail }) => {
      if (!this.channel?.ready) this.#emit("clipboard", detail); // else it comes from the channel, with every letter whole
    });
    this.element.addEventListener("pointerdown", () => this.#emit("touched"), { capture: true });
  }

  // The screen has a clipboard of its own, or has none any more.
  unicode(there) {
    if (there === Boolean(this.channel)) return;
    this.channel?.close();
    this.channel = there ? new Channel(this.name) : null;
    this.channel?.addEventListener("text", ({ detail }) => this.#emit("clipboard", detail));
    this.channel?.addEventListener("refused", ({ detail }) => this.#emit("refused", detail));
  }

  paste(text) {
    if (this.channel?.ready) this.channel.send(text);
    else this.connection.paste(text);
  }

  close() {
    this.unicode(false);
    this.connection.close();
    this.element.remove();
  }

  #emit(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }
}
