/* unasked: preloaded into the Xephyr of a whole session.
 *
 * Its window comes by itself, not because somebody has just clicked. Window managers give a new window the keyboard, and what is being
 * typed into another would land in it; unless the window says, before it is shown, that nobody has asked for it (EWMH, a
 * _NET_WM_USER_TIME of 0). Xephyr has no setting for that.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <xcb/xcb.h>

xcb_void_cookie_t xcb_map_window(xcb_connection_t *connection, xcb_window_t window)
{
	static const char name[] = "_NET_WM_USER_TIME";
	static const uint32_t never = 0;
	xcb_void_cookie_t (*map)(xcb_connection_t *, xcb_window_t);
	xcb_intern_atom_reply_t *atom =
		xcb_intern_atom_reply(connection, xcb_intern_atom(connection, 0, sizeof name - 1, name), NULL);

	if (atom != NULL)
		xcb_change_property(connection, XCB_PROP_MODE_REPLACE, window, atom->atom, XCB_ATOM_CARDINAL, 32, 1, &never);
	free(atom);
	*(void **)&map = dlsym(RTLD_NEXT, "xcb_map_window");
	return map(connection, window);
}
