// What GNOME Shell must do otherwise on a screen that is looked at from afar.
import GLib from 'gi://GLib';
import * as Main from 'resource:///org/gnome/shell/ui/main.js';

const REDRAW_AFTER = [100, 600]; // milliseconds

export default class DesktopFirst {
    enable() {
        this._timers = new Set();
        Main.layoutManager.connectObject('monitors-changed', () => this._redrawSoon(), this);
        // The shell opens its overview at the end of the start when its mode has one. It is told that this mode has none until then.
        if (!Main.layoutManager._startingUp)
            return;
        Main.sessionMode.hasOverview = false;
        Main.layoutManager.connectObject('startup-complete', () => {
            Main.sessionMode.hasOverview = true;
        }, this);
    }

    // The first frame after a change of the screen's size goes into a buffer of the old size, and where nothing moves, no other follows.
    _redrawSoon() {
        for (const milliseconds of REDRAW_AFTER) {
            const timer = GLib.timeout_add(GLib.PRIORITY_DEFAULT, milliseconds, () => {
                this._timers.delete(timer);
                global.stage.queue_redraw();
                return GLib.SOURCE_REMOVE;
            });
            this._timers.add(timer);
        }
    }

    disable() {
        for (const timer of this._timers)
            GLib.source_remove(timer);
        this._timers.clear();
        Main.layoutManager.disconnectObject(this);
        Main.sessionMode.hasOverview = true;
    }
}
