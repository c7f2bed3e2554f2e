// The clipboard, both ways: the panel always works; beside it, the browser's own clipboard is used as far as it is allowed.

const $ = (id) => document.getElementById(id);

const GREETING = 2000; // ms after connecting in which the desktop says what it had copied before: not news, so not for this computer
const PAUSE = 250; // ms without a key after which what is typed goes to the desktop

export class Clipboard {
  #pane = null; #sent = ""; #timer = 0;

  constructor() {
    $("clip-close").addEventListener("click", () => { this.close(); this.#pane?.connection.focus(); });
    $("clip-text").addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#send($("clip-text").value), PAUSE);
    });
    $("clip-copy").addEventListener("click", () => this.#copy());
    $("clip-paste").addEventListener("click", () => this.#paste());
    $("clipboard").addEventListener("keydown", (event) => {
      if (event.key === "Escape") $("clip-close").click();
    });
    window.addEventListener("focus", () => this.#follow());
  }

  // The pane whose clipboard it is from now on.
  follow(pane) {
    if (pane === this.#pane) return;
    this.#pane = pane;
    this.#sent = "";
    $("clip-text").value = "";
    pane.addEventListener("clipboard", ({ detail }) => { if (pane === this.#pane) this.#received(detail); });
    pane.addEventListener("refused", ({ detail }) => {
      if (pane !== this.#pane) return;
      this.#sent = "";
      $("clip-note").textContent = detail;
    });
  }

  get opened() { return !$("clipboard").hidden; }

  toggle() {
    if (this.opened) {
      this.close();
      this.#pane?.connection.focus();
      return;
    }
    $("clipboard").hidden = false;
    $("clip").setAttribute("aria-expanded", "true");
    $("clip-note").textContent = "";
    $("clip-text").focus();
    $("clip-text").select();
  }

  close() {
    $("clipboard").hidden = true;
    $("clip").setAttribute("aria-expanded", "false");
  }

  #send(text) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#sent = text;
    this.#pane?.paste(text);
  }

  #received(text) {
    if (text === this.#sent || this.#timer) return; // an echo, or older than what is being typed
    this.#sent = text;
    $("clip-text").value = text;
    if (document.hasFocus() && (this.#pane?.connection.age ?? 0) > GREETING) navigator.clipboard?.writeText(text).catch(() => {});
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText($("clip-text").value);
      $("clip-note").textContent = "Copied";
    } catch {
      $("clip-text").select();
      $("clip-note").textContent = "Press Ctrl-C";
    }
  }

  async #paste() {
    try {
      const text = await navigator.clipboard.readText();
      $("clip-text").value = text;
      this.#send(text);
      $("clip-note").textContent = "The desktop has it";
    } catch {
      $("clip-text").focus();
      $("clip-note").textContent = "Press Ctrl-V";
    }
  }

  // Once reading was allowed (by "Paste from here"), what was copied elsewhere goes to the desktop when one returns to it.
  async #follow() {
    try {
      const { state } = await navigator.permissions.query({ name: "clipboard-read" });
      if (state !== "granted") return;
      const text = await navigator.clipboard.readText();
      if (text && text !== this.#sent) {
        $("clip-text").value = text;
        this.#send(text);
      }
    } catch { /* a browser without this permission: the panel is there */ }
  }
}
