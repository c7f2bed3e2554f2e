// The tools' bar: comes out when the pointer rests on the handle, goes away by itself, but never from under the pointer.

const REST = 150; // ms on the handle before the bar opens, so that passing by does not open it
const LEAVE = 700; // ms away from the bar before it closes
const PEEK = 2500; // ms that it shows itself after connecting

export class Toolbar {
  #bar; #handle; #timer = 0; #pointed = false;

  constructor(bar, handle) {
    this.#bar = bar;
    this.#handle = handle;
    handle.addEventListener("pointerenter", (event) => {
      if (event.pointerType === "mouse") this.#later(() => this.open(), REST);
    });
    handle.addEventListener("click", () => (this.opened && !this.#justOpened() ? this.close() : this.open()));
    bar.addEventListener("pointerenter", () => (this.#pointed = true)); // `:hover` would last after a finger's tap
    bar.addEventListener("pointerleave", () => {
      this.#pointed = false;
      this.#later(() => this.close(), LEAVE);
    });
    bar.addEventListener("pointermove", () => { if (this.opened) clearTimeout(this.#timer); });
    bar.addEventListener("focusin", (event) => { if (event.target !== handle) this.open(); });
  }

  #openedAt = 0;

  get opened() { return this.#bar.classList.contains("open"); }

  open() { this.#set(true); }
  close() { this.#set(false); }

  peek() {
    this.open();
    this.#later(() => this.#pointed || this.close(), PEEK);
  }

  // A click on the handle often follows the hover that has opened the bar already: it must not close it at once.
  #justOpened() { return performance.now() - this.#openedAt < 400; }

  #set(opened) {
    clearTimeout(this.#timer);
    if (opened && !this.opened) this.#openedAt = performance.now();
    this.#bar.classList.toggle("open", opened);
    this.#handle.setAttribute("aria-expanded", String(opened));
  }

  #later(action, delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(action, delay);
  }
}
