/* News of devices for containers. The kernel's, and udev's after them, are messages that stay within a network namespace. So those who want them
 * share one that is empty of all else and held here; who writes udev's database is handed a socket in it, by which PID 1 tells of a device once
 * its user may open it, and by which udev's messages go out. That would need CAP_NET_ADMIN, were the socket not connected here. */
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

static int mouth = -1;

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

/* JOB is told of devices, by its file 3, and tells others in the network namespace of that name. */
void declare_news(const char *name, const char *space) {
  char path[256];
  int mine = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  struct job *job = make_job(name);
  snprintf(path, sizeof path, SPACES "/%s", space);
  folders(SPACES, 0755);
  close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0444));
  if (mine < 0 || unshare(CLONE_NEWNET)) {
    say("no network namespace for %s: %s", name, strerror(errno));
  } else {
    attach("/proc/self/ns/net", path, "", MS_BIND, NULL);
    mouth = open_end(0, TOLD);
    if (job) job->third = open_end(TOLD, UDEV);
    if (setns(mine, CLONE_NEWNET)) say("PID 1 stays in the network namespace of %s", name);
  }
  if (mine >= 0) close(mine);
}

/* What the kernel said, after it has been obeyed here. Who does not listen misses it. */
void pass_news_on(const char *text, size_t length) {
  if (mouth >= 0 && send(mouth, text, length, MSG_DONTWAIT) < 0 && errno == ENOBUFS) say("news of a device were lost");
}
