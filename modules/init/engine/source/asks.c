/* Modules that may ask for what only PID 1 may do, each at a socket of its own, which no other container sees: a packet for each request and each
 * answer, one after the other, words parted by tabs. Who shows memory sticks: mount NODE KIND read-only|read-write NAME; eject NAME. Who tells of
 * devices: news, which is answered with a socket of news.c. */
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
#define MOST_DOORS 4

static struct door {
  enum grant grant;
  int asker;   /* the module, 0 while it is not there */
  pid_t asked; /* what it waits for */
} doors[MOST_DOORS];
static int door_count;

/* `file` goes with it, if that is not negative. */
static void answer_with(const struct door *door, const char *why, int file) {
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof file)];
  } beside = {0};
  char text[128];
  int length = snprintf(text, sizeof text, "%s%s", why ? "error " : "ok", why ? why : "");
  struct iovec said = {text, length};
  struct msghdr message = {.msg_iov = &said, .msg_iovlen = 1};
  if (!door->asker) return;
  if (file >= 0) {
    beside.head = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof file)};
    memcpy(CMSG_DATA(&beside.head), &file, sizeof file);
    message.msg_control = beside.room;
    message.msg_controllen = sizeof beside.room;
  }
  sendmsg(door->asker, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void answer(const struct door *door, const char *why) {
  answer_with(door, why, -1);
}

/* What was done for it has ended: well, or why not. */
void answer_asker(pid_t pid, const char *why) {
  for (int i = 0; i < door_count; i++) {
    if (doors[i].asked != pid) continue;
    doors[i].asked = 0;
    answer(&doors[i], why);
  }
}

static void obey_for_sticks(struct door *door, char **words, int count) {
  if (count == 2 && !strcmp(words[0], "eject")) {
    door->asked = eject_stick(words[1]);
    return door->asked ? (void)0 : answer(door, "no such stick is mounted");
  }
  if (count != WORDS || strcmp(words[0], "mount")) return answer(door, "not understood");
  const char *why = mount_stick(words[1], words[2], words[3], words[4], &door->asked);
  if (why) door->asked = 0, answer(door, why);
}

static void obey(struct door *door, char *text) {
  char *words[WORDS + 1] = {NULL}, *rest;
  int count = 0, end;
  for (char *word = strtok_r(text, "\t\n", &rest); word && count <= WORDS; word = strtok_r(NULL, "\t\n", &rest)) words[count++] = word;
  if (door->grant == GRANT_STICKS) return obey_for_sticks(door, words, count);
  if (count != 1 || strcmp(words[0], "news")) return answer(door, "not understood");
  end = news_end();
  answer_with(door, end < 0 ? "there are none" : NULL, end);
}

static void leave(struct door *door) {
  unwatch(door->asker);
  close(door->asker);
  door->asker = 0;
}

static void on_request(int file, void *what) {
  struct door *door = what;
  char text[256];
  ssize_t got = recv(file, text, sizeof text - 1, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return leave(door);
  text[got] = 0;
  if (door->asked) answer(door, "one after the other");
  else obey(door, text);
}

/* One at a time: the module, or who it is when it has been started again. */
static void on_asker(int end, void *what) {
  struct door *door = what;
  int file = accept4(end, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (file < 0) return;
  if (door->asker) leave(door);
  door->asker = file;
  door->asked = 0;
  watch(file, on_request, door);
}

/* For JOB, which may ask for that and nothing else; 0 when it cannot be. */
int open_asks(const char *job, enum grant grant) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  char folder[256];
  snprintf(folder, sizeof folder, DOORS "/%s", job);
  if (door_count == MOST_DOORS || strlen(folder) > sizeof address.sun_path - sizeof "/socket") return 0;
  folders(folder, 0755);
  snprintf(address.sun_path, sizeof address.sun_path, "%.99s/socket", folder);
  int end = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  unlink(address.sun_path);
  if (end < 0 || bind(end, (struct sockaddr *)&address, sizeof address) || listen(end, 4) || chown(address.sun_path, USER, USER)) return 0;
  doors[door_count].grant = grant;
  watch(end, on_asker, &doors[door_count++]);
  return 1;
}
