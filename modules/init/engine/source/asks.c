/* A module that may ask for what only PID 1 may do: at a socket of its own, which no other container sees, a packet for each request and each
 * answer, one after the other: mount NODE KIND read-only|read-write NAME; eject NAME. Words are parted by tabs. */
#include "init.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DOORS RUN "/asks"
#define WORDS 5

static int asker;   /* the module, 0 while it is not there */
static pid_t asked; /* what it waits for */

static void answer(const char *why) {
  char text[128];
  int length = snprintf(text, sizeof text, "%s%s", why ? "error " : "ok", why ? why : "");
  if (asker) send(asker, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* What was done for it has ended: well, or why not. */
void answer_asker(pid_t pid, const char *why) {
  if (pid != asked) return;
  asked = 0;
  answer(why);
}

static void obey(char *text) {
  char *words[WORDS + 1] = {NULL}, *rest;
  int count = 0;
  for (char *word = strtok_r(text, "\t\n", &rest); word && count <= WORDS; word = strtok_r(NULL, "\t\n", &rest)) words[count++] = word;
  if (count == 2 && !strcmp(words[0], "eject")) {
    asked = eject_stick(words[1]);
    return asked ? (void)0 : answer("no such stick is mounted");
  }
  if (count != WORDS || strcmp(words[0], "mount")) return answer("not understood");
  const char *why = mount_stick(words[1], words[2], words[3], words[4], &asked);
  if (why) asked = 0, answer(why);
}

static void leave(void) {
  unwatch(asker);
  close(asker);
  asker = 0;
}

static void on_request(int file, void *what) {
  char text[256];
  (void)what;
  ssize_t got = recv(file, text, sizeof text - 1, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return leave();
  text[got] = 0;
  if (asked) answer("one after the other");
  else obey(text);
}

/* One at a time: the module, or who it is when it has been started again. */
static void on_asker(int door, void *what) {
  int file = accept4(door, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  (void)what;
  if (file < 0) return;
  if (asker) leave();
  asker = file;
  asked = 0;
  watch(file, on_request, NULL);
}

/* For JOB; 0 when it cannot be. */
int open_asks(const char *job) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char folder[256];
  snprintf(folder, sizeof folder, DOORS "/%s", job);
  if (strlen(folder) > sizeof address.sun_path - sizeof "/socket") return 0;
  folders(folder, 0755);
  snprintf(address.sun_path, sizeof address.sun_path, "%.99s/socket", folder);
  int door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  unlink(address.sun_path);
  if (door < 0 || bind(door, (struct sockaddr *)&address, sizeof address) || listen(door, 4) || chown(address.sun_path, USER, USER)) return 0;
  watch(door, on_asker, NULL);
  return 1;
}
