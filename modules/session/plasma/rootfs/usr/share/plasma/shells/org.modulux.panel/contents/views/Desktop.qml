// The desktop of a guest: none. Plasma makes a window for it on each screen; this one takes it off the screen again, so that the wallpaper
// and the icons of the first session stay in view.
import QtQuick
import QtQuick.Window

Item {
    id: root
    property Item containment
    property QtObject panelConfiguration
    property var accentColor: "transparent"
    readonly property QtObject view: Window.window

    function hide() {
        if (view && view.visible) {
            view.visible = false;
        }
    }

    onViewChanged: hide()

    Connections {
        target: root.view
        function onVisibleChanged() {
            // Not at once: the window is just being shown, and would be mapped after all.
            Qt.callLater(root.hide);
        }
    }
}
