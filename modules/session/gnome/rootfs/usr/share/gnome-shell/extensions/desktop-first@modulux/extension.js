// The shell opens its overview at the end of the start when its mode has one. It is told that this mode has none until that is over.
import * as Main from 'resource:///org/gnome/shell/ui/main.js';

export default class DesktopFirst {
    enable() {
        if (!Main.layoutManager._startingUp)
            return;
        Main.sessionMode.hasOverview = false;
        Main.layoutManager.connectObject('startup-complete', () => {
            Main.sessionMode.hasOverview = true;
        }, this);
    }

    disable() {
        Main.layoutManager.disconnectObject(this);
        Main.sessionMode.hasOverview = true;
    }
}
