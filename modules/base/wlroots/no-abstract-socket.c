/* no-abstract-socket: preloaded into compositors that are built on wlroots.
 *
 * For Xwayland, wlroots opens a socket below /tmp/.X11-unix and an abstract one of the same name; it knows no setting that leaves the
 * second out, and goes without X when it cannot bind it. An abstract socket has no file mode, so none may be there: here it is bound to
 * a file that is taken away at once, where nobody can connect.
 */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
	const struct sockaddr_un *wanted = (const struct sockaddr_un *)address;
	struct sockaddr_un nowhere = { .sun_family = AF_UNIX, .sun_path = "/tmp/.nowhere" };
	int status;

	if (address->sa_family != AF_UNIX || length <= offsetof(struct sockaddr_un, sun_path) || wanted->sun_path[0] != '\0')
		return (int)syscall(SYS_bind, fd, address, length);
	status = (int)syscall(SYS_bind, fd, &nowhere, sizeof nowhere);
	unlink(nowhere.sun_path);
	return status;
}
