// Which screens there are, as tabs; and what can be done with each. With one screen there is nothing to see of this.
// Emits "change", and "choose" (the names that are to be shown).

const OLD = 3000; // ms for which an answer is not asked for again when the page gets the focus

export class Screens extends EventTarget {
  #bar; #asked = 0; #text = ""; #shown = []; list = []; pages = []; sound = false;

  constructor(bar) {
    super();
    this.#bar = bar;
    window.addEventListener("focus", () => { if (performance.now() - this.#asked > OLD) this.refresh(); });
  }

  get(name) { return this.list.find((screen) => screen.name === name) ?? (name ? undefined : this.list[0]); }

  async refresh() {
    this.#asked = performance.now();
    try {
      const answer = await fetch("/screens", { cache: "no-store" });
      if (!answer.ok) return;
      const text = await answer.text();
      if (text === this.#text) return;
      this.#text = text;
      const { screens, pages, sound } = JSON.parse(text);
      this.list = screens;
      this.pages = pages;
      this.sound = sound;
    } catch {
      return; // the connection notices by itself
    }
    this.#draw();
    this.dispatchEvent(new Event("change"));
  }

  // Which are on show now.
  mark(names) {
    this.#shown = names;
    this.#draw();
  }

  #draw() {
    const several = this.list.length > 1;
    this.#bar.hidden = !several && !this.pages.length;
    const all = this.list.map((screen) => screen.name);
    const tab = (label, names) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
      const here = names.join("\n") === (this.#shown[0] ? this.#shown : [all[0]]).join("\n");
      button.setAttribute("role", "tab");
      button.setAttribute("aria-selected", String(here));
      button.addEventListener("click", () => this.dispatchEvent(new CustomEvent("choose", { detail: names })));
      return button;
    };
    // A viewer with a page of its own is another way to see a screen, in a window of its own.
    const link = (name) => Object.assign(document.createElement("a"), {
      href: `/page/${encodeURIComponent(name)}/`, target: "_blank", rel: "noopener", textContent: `${name.replace(".", ": ")} ↗`,
    });
    const tabs = several ? [...all.map((name) => tab(name, [name])), tab("Side by side", all)] : [];
    this.#bar.replaceChildren(...tabs, ...this.pages.map(link));
  }
}
