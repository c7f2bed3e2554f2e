/* Ports of a virtual machine's lead to sockets inside, so that its host sees the desktop without a network. Each has a process of its own:
 * pictures must not keep PID 1 from its work. A host's client that follows another at once is taken for the same one, since a port does not
 * count who comes and goes: it should leave the machine a second to see that nobody was there. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST_LINKS 8
#define PAUSE 150000 /* microseconds between looks at a port that nobody is at, or at a socket that does not answer */

struct way {
  char bytes[65536];
  size_t from, to;
};

static struct link {
  char *port, *path;
  pid_t pid;
  double due;
} links[MOST_LINKS];
static int link_count;
static struct way in, out; /* of the one link that a process is for */

void add_link(const char *port, const char *path) {
  if (link_count < MOST_LINKS) links[link_count++] = (struct link){.port = strdup(port), .path = strdup(path)};
}

/* The device of a port, by the name that the virtual machine's host gave it. */
static int find_port(const char *wanted, char *node, size_t size) {
  char name[128];
  glob_t found = {0};
  int there = 0;
  glob("/sys/class/virtio-ports/*/name", GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc && !there; i++) {
    if (!read_text(found.gl_pathv[i], name, sizeof name) || strcmp(name, wanted)) continue;
    char *end = strrchr(found.gl_pathv[i], '/');
    *end = 0;
    snprintf(node, size, "/dev/%s", strrchr(found.gl_pathv[i], '/') + 1);
    there = 1;
  }
  globfree(&found);
  return there;
}

/* Whether somebody is at the other end. A port says POLLHUP when not; it must be asked without waiting, for who is there may well say
 * nothing until the server has spoken. */
static int somebody(int port) {
  struct pollfd one = {.fd = port, .events = POLLIN | POLLOUT};
  return poll(&one, 1, 0) >= 0 && !(one.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* Who was there so shortly that only his words are left. */
static int words_left(int port) {
  ssize_t got = read(port, in.bytes, sizeof in.bytes);
  in.from = 0;
  in.to = got > 0 ? got : 0;
  return got > 0;
}

static int reach(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  if (connect(end, (struct sockaddr *)&address, sizeof address) == 0) return end;
  close(end);
  return -1;
}

/* Bytes from one end to the other, as far as both will. Whether it goes on. */
static int move(struct way *way, int in, int out, int readable, int writable) {
  if (readable && way->from == way->to) {
    ssize_t got = read(in, way->bytes, sizeof way->bytes);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return 0;
    way->from = 0;
    way->to = got > 0 ? got : 0;
    writable = 1;
  }
  if (writable && way->from < way->to) {
    ssize_t put = write(out, way->bytes + way->from, way->to - way->from);
    if (put < 0 && errno != EAGAIN && errno != EINTR) return 0;
    if (put > 0) way->from += put;
  }
  return 1;
}

/* Whether somebody is at the host's end again. That one has left and another has come are two pieces of news, which the kernel may deliver
 * when that other has been greeted already: to end the talk then would lose the answer he waits for. */
static int is_back(int port) {
  for (int tries = 0; tries < 10; tries++) {
    if (somebody(port)) return 1;
    usleep(PAUSE / 10);
  }
  return 0;
}

/* Until either end is gone. Whether it was the host's: what it sent last has been delivered then. */
static int carry(int port, int inside) {
  out.from = out.to = 0;
  for (;;) {
    int in_full = in.from < in.to, out_full = out.from < out.to;
    struct pollfd ends[2] = {{.fd = in_full && !out_full ? -1 : port, .events = (in_full ? 0 : POLLIN) | (out_full ? POLLOUT : 0)},
                             {.fd = out_full && !in_full ? -1 : inside, .events = (out_full ? 0 : POLLIN) | (in_full ? POLLOUT : 0)}};
    if (poll(ends, 2, -1) < 0 && errno != EINTR) return 0;
    int gone = ends[0].revents & POLLHUP, left = ends[1].revents & (POLLHUP | POLLERR);
    if (!move(&in, port, inside, ends[0].revents & (POLLIN | POLLHUP), ends[1].revents & POLLOUT)) {
      if (!gone || in.from < in.to || !is_back(port)) return gone;
      continue;
    }
    if (gone && out_full && !is_back(port)) return 1;
    if (!move(&out, inside, port, ends[1].revents & POLLIN || left, ends[0].revents & POLLOUT)) return 0;
  }
}

static void serve(const char *node, const char *path) {
  int port = -1;
  for (;;) {
    if (port < 0) port = open(node, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (port < 0) _exit(1);
    while (!words_left(port) && !somebody(port)) usleep(PAUSE);
    int inside, host_left = 0;
    while ((inside = reach(path)) < 0 && somebody(port)) usleep(PAUSE); /* what was said is kept for who starts anew just now */
    if (inside >= 0) {
      fcntl(inside, F_SETFL, O_NONBLOCK);
      host_left = carry(port, inside);
      close(inside);
    }
    if (host_left) continue;
    close(port); /* what was left of that talk is not for the next */
    port = -1;
    usleep(PAUSE);
  }
}

/* In how many seconds to look again. */
double advance_links(void) {
  char node[128];
  double wait = NEVER;
  for (int i = 0; i < link_count; i++) {
    struct link *link = &links[i];
    if (link->pid > 0 || ending) continue;
    if (now() >= link->due) {
      link->due = now() + (now() < 30 ? 1 : 10);
      if (find_port(link->port, node, sizeof node)) {
        link->pid = branch("link");
        if (link->pid == 0) serve(node, link->path);
        continue;
      }
    }
    if (link->due - now() < wait) wait = link->due - now();
  }
  return wait;
}

int link_ended(pid_t pid) {
  for (int i = 0; i < link_count; i++) {
    if (links[i].pid != pid) continue;
    links[i].pid = 0;
    links[i].due = now() + 1;
    return 1;
  }
  return 0;
}
