// The page: the screen, and the tools that act on it.

import { Clipboard } from "./clipboard.js";
import { Fit } from "./fit.js";
import { Pane } from "./pane.js";
import { Screens } from "./screens.js";
import { Sound } from "./sound.js";
import { Toolbar } from "./toolbar.js";

const { desktop, quality, compression } = document.documentElement.dataset;
const $ = (id) => document.getElementById(id);

const options = { qualityLevel: Number(quality), compressionLevel: Number(compression) };
const toolbar = new Toolbar($("toolbar"), $("handle"));
const clipboard = new Clipboard();
const screens = new Screens($("tabs"));
const sound = new Sound();
const fit = new Fit(() => (panes.length === 1 ? panes[0].element : null), say);
const panes = [];
let active; // the pane that has the keyboard and the clipboard
let actual = false; // pixel for pixel, not scaled to the window
let quiet = 0;

// A word to the person, for some seconds.
function say(text) {
  $("note").textContent = text;
  $("note").hidden = false;
  clearTimeout(quiet);
  quiet = setTimeout(() => { $("note").hidden = true; }, 6000);
}

function show({ state, detail, seconds }) {
  document.body.dataset.state = state;
  $("now").hidden = state !== "waiting";
  if (state === "connecting") $("detail").textContent = "Connecting…";
  if (state === "waiting") $("detail").textContent = `${detail}. Trying again in ${seconds} s`;
  if (state === "expired") {
    const command = document.createElement("code");
    command.textContent = `modulux open ${desktop}`;
    $("detail").replaceChildren("This browser is no longer signed in. For a new link, type", command);
  }
  if (state === "connected") {
    document.title = desktop;
    toolbar.peek();
    active.connection.focus();
  } else {
    document.title = `${desktop} (not connected)`;
    toolbar.close();
    clipboard.close();
  }
}

function look(names) {
  for (const pane of panes.splice(0)) pane.close();
  for (const name of names) {
    const pane = new Pane($("screen"), name, options);
    pane.connection.fit = !actual;
    pane.addEventListener("state", ({ detail }) => {
      if (detail.state === "connected") screens.refresh();
      if (pane === active) show(detail);
    });
    pane.addEventListener("touched", () => activate(pane));
    panes.push(pane);
  }
  $("screen").classList.toggle("several", panes.length > 1);
  activate(panes[0]);
  screens.mark(names);
  equip();
  for (const pane of panes) pane.connection.open();
}

function activate(pane) {
  active = pane;
  for (const each of panes) each.element.classList.toggle("active", each === pane);
  clipboard.follow(pane);
}

// What the screens on show can do, by what the gateway said last.
function equip() {
  for (const pane of panes) pane.unicode(Boolean(screens.get(pane.name)?.clipboard));
  $("sound").hidden = !screens.sound || !sound.possible;
  const possible = panes.length === 1 && Boolean(screens.get(panes[0].name)?.resize);
  $("fit").hidden = !possible;
  fit.follow(panes[0].name, possible);
}

screens.addEventListener("change", equip);
screens.addEventListener("choose", ({ detail }) => look(detail));
$("now").addEventListener("click", () => active.connection.open());

// A tool gives the keyboard back to the desktop once it has done its work.
function tool(id, action) {
  $(id).addEventListener("click", async () => {
    await action($(id));
    if (id !== "clip") active.connection.focus();
  });
}

tool("reconnect", () => { for (const pane of panes) pane.connection.open(); });
tool("cad", () => active.connection.sendCtrlAltDel());
tool("sound", async (button) => {
  try {
    await sound.toggle();
  } catch (error) {
    say(`No sound: ${error.message}`);
  }
  button.setAttribute("aria-pressed", String(sound.on));
  button.title = sound.on ? "Mute" : "Sound";
});
tool("fit", (button) => {
  fit.on = !fit.on;
  button.setAttribute("aria-pressed", String(fit.on));
});
$("fit").setAttribute("aria-pressed", String(fit.on));
tool("clip", () => clipboard.toggle());
tool("scale", (button) => {
  actual = !actual;
  for (const pane of panes) pane.connection.fit = !actual;
  button.setAttribute("aria-pressed", String(actual));
});
tool("fullscreen", async () => {
  try {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await document.documentElement.requestFullscreen({ navigationUI: "hide" });
  } catch { /* the browser does not allow it here */ }
});
document.addEventListener("fullscreenchange", () => {
  const full = Boolean(document.fullscreenElement);
  $("fullscreen").setAttribute("aria-pressed", String(full));
  // Where the browser can: Alt-Tab, Escape and the like then reach the desktop (holding Escape leaves full screen).
  if (full) navigator.keyboard?.lock?.().catch(() => {});
  else navigator.keyboard?.unlock?.();
});
window.addEventListener("focus", () => {
  if (!clipboard.opened) active.connection.focus();
});
// A click beside the picture takes the keyboard from the desktop nowhere else.
document.addEventListener("mousedown", (event) => {
  if (event.target !== document.body && event.target !== document.documentElement && !event.target.matches("#screen, .pane")) return;
  event.preventDefault();
  active.connection.focus();
});

look([new URLSearchParams(location.search).get("screen") ?? ""]);
window.dispatchEvent(new Event("begun")); // to what is written in the page itself
