// What a Firefox in a container of its own needs other than its defaults. Each can be changed in about:config.

// No graphics card: draw in software at once, without first trying one, and spare the viewer frames that only animate.
pref("gfx.webrender.software", true);
pref("media.hardware-video-decoding.enabled", false);
pref("general.smoothScroll", false);
pref("ui.prefersReducedMotion", 1);

// The portals and the desktop's defaults live in other containers: do not wait for them.
pref("widget.use-xdg-desktop-portal.file-picker", 0);
pref("widget.use-xdg-desktop-portal.mime-handler", 0);
pref("widget.use-xdg-desktop-portal.settings", 0);
pref("widget.use-xdg-desktop-portal.location", 0);
pref("widget.use-xdg-desktop-portal.open-uri", 0);
pref("browser.shell.checkDefaultBrowser", false);

// A container may be ended at any moment; that is no crash to ask about.
pref("toolkit.startup.max_resumed_crashes", -1);
pref("browser.sessionstore.max_resumed_crashes", 3);

// Nothing is asked of the network before the user asks for it.
pref("app.normandy.enabled", false);
pref("browser.aboutwelcome.enabled", false);
pref("datareporting.policy.dataSubmissionEnabled", false);
pref("network.captive-portal-service.enabled", false);
pref("network.connectivity-service.enabled", false);
pref("browser.safebrowsing.downloads.remote.enabled", false);
