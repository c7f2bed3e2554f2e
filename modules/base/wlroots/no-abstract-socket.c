/* no-abstract-socket: preloaded into compositors that start an Xwayland.
 *
 * Beside the socket file below /tmp/.X11-unix they open an abstract socket of the same name; they know no setting that leaves it out, and
 * go without X when they cannot bind it. An abstract socket has no file mode, so none may be there: here each is a file in the runtime
 * directory, to which nobody but this user has a way. Who has this preloaded, as Mutter for the connection of its own, finds it there.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* Whether the address is an abstract one; if so, `file` is the address that stands for it. */
static int stands_for(const struct sockaddr *address, socklen_t length, struct sockaddr_un *file)
{
	const struct sockaddr_un *wanted = (const struct sockaddr_un *)address;
	const char *folder = getenv("XDG_RUNTIME_DIR");
	size_t named = length - offsetof(struct sockaddr_un, sun_path);
	char name[sizeof wanted->sun_path + 1];
	size_t i;

	if (address->sa_family != AF_UNIX || length <= offsetof(struct sockaddr_un, sun_path) || wanted->sun_path[0] != '\0' || named > sizeof wanted->sun_path)
		return 0;
	for (i = 1; i < named && wanted->sun_path[i] != '\0'; i++)
		name[i - 1] = wanted->sun_path[i] == '/' ? '_' : wanted->sun_path[i];
	name[i - 1] = '\0';
	file->sun_family = AF_UNIX;
	snprintf(file->sun_path, sizeof file->sun_path, "%.40s/%.60s", folder ? folder : "/tmp", name);
	return 1;
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
	struct sockaddr_un file;

	if (!stands_for(address, length, &file))
		return (int)syscall(SYS_bind, fd, address, length);
	unlink(file.sun_path); /* left by one that was killed: the kernel would have let go of an abstract name */
	return (int)syscall(SYS_bind, fd, &file, sizeof file);
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	struct sockaddr_un file;

	if (!stands_for(address, length, &file))
		return (int)syscall(SYS_connect, fd, address, length);
	return (int)syscall(SYS_connect, fd, &file, sizeof file);
}
