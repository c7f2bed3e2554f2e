// The page: the screen, and the tools that act on it.

import { Connection } from "./connection.js";
import { Clipboard } from "./clipboard.js";
import { Toolbar } from "./toolbar.js";

const { desktop, quality, compression } = document.documentElement.dataset;
const $ = (id) => document.getElementById(id);

const connection = new Connection($("screen"), { qualityLevel: Number(quality), compressionLevel: Number(compression) });
const toolbar = new Toolbar($("toolbar"), $("handle"));
const clipboard = new Clipboard(connection);

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
    connection.focus();
  } else {
    document.title = `${desktop} (not connected)`;
    toolbar.close();
    clipboard.close();
  }
}

connection.addEventListener("state", (event) => show(event.detail));
$("now").addEventListener("click", () => connection.open());

// A tool gives the keyboard back to the desktop once it has done its work.
function tool(id, action) {
  $(id).addEventListener("click", async () => {
    await action($(id));
    if (id !== "clip") connection.focus();
  });
}

tool("reconnect", () => connection.open());
tool("cad", () => connection.sendCtrlAltDel());
tool("clip", () => clipboard.toggle());
tool("scale", (button) => {
  connection.fit = !connection.fit;
  button.setAttribute("aria-pressed", String(!connection.fit));
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
  if (!clipboard.opened) connection.focus();
});
// A click beside the picture takes the keyboard from the desktop nowhere else.
document.addEventListener("mousedown", (event) => {
  if (event.target !== document.body && event.target !== document.documentElement && event.target !== $("screen")) return;
  event.preventDefault();
  connection.focus();
});

connection.open();
