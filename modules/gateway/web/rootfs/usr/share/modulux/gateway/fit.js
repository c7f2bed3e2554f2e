// Asks the desktop's screen to take the size of the space that it has here. Off until it is asked for.

import { address } from "./address.js";

const CALM = 400; // ms without a change before the size is asked for

export class Fit {
  #place; #say; #socket = null; #timer = 0; #asked = ""; #screen = "";

  constructor(place, say) {
    this.#place = place;
    this.#say = say;
    window.addEventListener("resize", () => this.later());
  }

  get on() { return sessionStorage.getItem("fit") === "on"; }

  set on(on) {
    sessionStorage.setItem("fit", on ? "on" : "off");
    this.#asked = "";
    if (on) this.later(0);
    else this.#close();
  }

  // Another screen is shown, or none whose size can change.
  follow(screen, possible) {
    if (screen !== this.#screen) this.#close();
    this.#screen = screen;
    this.#asked = "";
    this.possible = possible;
    this.later();
  }

  later(delay = CALM) {
    clearTimeout(this.#timer);
    if (this.on && this.possible) this.#timer = setTimeout(() => this.#ask(), delay);
  }

  #ask() {
    const place = this.#place();
    if (!place) return;
    const size = `${place.clientWidth & ~1}x${place.clientHeight & ~1}`;
    if (size === this.#asked) return;
    this.#asked = size;
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(size);
      return;
    }
    const socket = this.#socket = new WebSocket(address("/resize", { screen: this.#screen }));
    socket.addEventListener("open", () => socket.send(this.#asked));
    socket.addEventListener("message", ({ data }) => { if (data !== "ok") this.#say(`The size stays: ${data}`); });
  }

  #close() {
    this.#socket?.close();
    this.#socket = null;
  }
}
