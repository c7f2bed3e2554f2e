/* News of devices for containers. The kernel's, and udev's after them, are messages that stay within a network namespace. So those who want them
 * share one that is empty of all else and held here; who writes udev's database asks for a socket in it (asks.c), by which PID 1 tells of a device
 * once its user may open it, and by which udev's messages go out. That would need CAP_NET_ADMIN, were the socket not connected here. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPACES RUN "/net"
#define UDEV 2 /* groups, as bits: udev's own, and that of PID 1, which nobody else uses */
#define TOLD 4

static int mouth = -1, ear = -1; /* one for PID 1, the other for who asks */

static int open_end(unsigned from, unsigned to) {
  struct sockaddr_nl heard = {.nl_family = AF_NETLINK, .nl_groups = from}, told = {.nl_family = AF_NETLINK, .nl_groups = to};
  int end = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
  if (end < 0 || bind(end, (struct sockaddr *)&heard, sizeof heard) || connect(end, (struct sockaddr *)&told, sizeof told)) {
    say("no news of devices for containers: %s", strerror(errno));
    if (end >= 0) close(end);
    return -1;
  }
  return end;
}

/* JOB is told of devices, and tells others in the network namespace of that name; before systemd took over, that was made. */
void declare_news(const char *name, const char *space) {
  char path[256];
  int mine = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  snprintf(path, sizeof path, SPACES "/%s", space);
  folders(SPACES, 0755);
  if (!under_systemd) close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0444));
  int there = under_systemd ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (mine < 0 || (under_systemd ? setns(there, CLONE_NEWNET) : unshare(CLONE_NEWNET))) {
    say("no network namespace for %s: %s", name, strerror(errno));
  } else {
    if (!under_systemd) attach("/proc/self/ns/net", path, "", MS_BIND, NULL);
    mouth = open_end(0, TOLD);
    ear = open_end(TOLD, UDEV);
    if (setns(mine, CLONE_NEWNET)) say("PID 1 stays in the network namespace of %s", name);
  }
  if (mine >= 0) close(mine);
  if (there >= 0) close(there);
  if (!open_asks(name, GRANT_NEWS)) say("%s cannot ask for news of devices", name);
}

/* What who tells others is handed; -1 when there is none. */
int news_end(void) {
  return ear;
}

/* What the kernel said, after it has been obeyed here. Who does not listen misses it. */
void pass_news_on(const char *text, size_t length) {
  if (mouth >= 0 && send(mouth, text, length, MSG_DONTWAIT) < 0 && errno == ENOBUFS) say("news of a device were lost");
}
