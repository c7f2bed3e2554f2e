// The connection to the desktop: opens it, watches over it, and opens it again with back-off.
// Emits "state" {state: connecting|connected|waiting|expired, detail, seconds} and "clipboard" (a text).

import RFB from "../novnc/core/rfb.js";
import { address } from "./address.js";

const FIRST_DELAY = 1; // seconds; doubled up to:
const LONGEST_DELAY = 15;
const PATIENCE = 20; // seconds for a viewer to let us in; one that hangs never does, and nothing below gives up on it

const viewer = new URLSearchParams(location.search).get("viewer"); // one of several viewers, for who asks for it

function bytesAsText(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}

function textFromBytes(text) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
  } catch {
    return text; // it was Latin-1 after all
  }
}

export class Connection extends EventTarget {
  #target; #screen; #options; #rfb = null; #timer = 0; #delay = FIRST_DELAY; #attempt = 0; #since = 0; #fit = true;

  constructor(target, screen, options) {
    super();
    this.#target = target;
    this.#screen = screen;
    this.#options = options;
    window.addEventListener("online", () => { if (this.#timer) this.open(); });
  }

  // Milliseconds since the desktop was connected.
  get age() { return performance.now() - this.#since; }

  get fit() { return this.#fit; }

  set fit(fit) {
    this.#fit = fit;
    if (this.#rfb) this.#rfb.scaleViewport = fit;
  }

  open() {
    clearInterval(this.#timer);
    this.#timer = 0;
    const attempt = ++this.#attempt; // what an older attempt still says is not heard
    this.#rfb?.disconnect();
    this.#emit({ state: "connecting" });
    const rfb = this.#rfb = new RFB(this.#target, address("/rfb", { screen: this.#screen, viewer }), { shared: true });
    Object.assign(rfb, this.#options, { background: "transparent", scaleViewport: this.#fit });
    const hear = (name, handler) => rfb.addEventListener(name, (event) => { if (attempt === this.#attempt) handler(event); });
    const patience = setTimeout(() => rfb.disconnect(), 1000 * PATIENCE);
    for (const end of ["connect", "disconnect"]) rfb.addEventListener(end, () => clearTimeout(patience));
    let lost = "The desktop does not answer";
    hear("connect", () => {
      lost = "The connection was lost";
      this.#delay = FIRST_DELAY;
      this.#since = performance.now();
      this.#emit({ state: "connected" });
    });
    hear("disconnect", () => this.#lost(lost));
    hear("clipboard", (event) => this.dispatchEvent(new CustomEvent("clipboard", { detail: this.#received(event.detail.text) })));
  }

  close() {
    this.#attempt += 1;
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#rfb?.disconnect();
    this.#rfb = null;
  }

  focus() { this.#rfb?.focus({ preventScroll: true }); }
  sendCtrlAltDel() { this.#rfb?.sendCtrlAltDel(); }
  paste(text) { this.#rfb?.clipboardPasteFrom(this.#unicode ? text : bytesAsText(text)); }

  // RFB's own clipboard is Latin-1 by the book, but x11vnc hands the bytes on as they are, and today's programs take them for
  // UTF-8, and give UTF-8. So the bytes of UTF-8 are what is sent and expected, unless the viewer has the clipboard extension,
  // with which noVNC does it right by itself (it has no public way to ask).
  get #unicode() { return Boolean(this.#rfb?._clipboardServerCapabilitiesFormats?.[1]); }

  #received(text) {
    return this.#unicode ? text : textFromBytes(text);
  }

  async #lost(reason) {
    const attempt = this.#attempt;
    this.#rfb = null;
    const known = await this.#signedIn();
    if (attempt !== this.#attempt) return;
    if (known === false) {
      this.#emit({ state: "expired" });
      return;
    }
    let seconds = this.#delay;
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY);
    const detail = known === null ? "The desktop cannot be reached" : reason;
    const tick = () => {
      if (seconds <= 0) this.open();
      else this.#emit({ state: "waiting", detail, seconds });
      seconds -= 1;
    };
    this.#timer = setInterval(tick, 1000);
    tick();
  }

  // true or false as the gateway says; null when it does not answer.
  async #signedIn() {
    try {
      const answer = await fetch("/session", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      return answer.status !== 403;
    } catch {
      return null;
    }
  }

  #emit(detail) { this.dispatchEvent(new CustomEvent("state", { detail })); }
}
