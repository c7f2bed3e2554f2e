/* sticks MODE, or sticks --look FILE: waits for memory sticks, finds out what file system they hold and what they are called, and asks PID 1 to
 * mount them. That is all that is ever read of a stick outside the kernel, by a process that may do nothing else; PID 1 is told two words. What
 * has been written is brought to the sticks every few seconds, so that one that is pulled out has lost little. File managers ask here for one
 * to be ejected. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* syncfs */
#endif
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STICKS "/dev/sticks"
#define MEDIA "/media"
#define DOOR "/run/modulux/asks/socket"
#define EJECTS "/run/modulux/eject/sock"
#define LOOKING "/tmp/looking"
#define HEAD 4096   /* bytes that tell */
#define NAME_SIZE 32
#define MOST_OF_A_NAME 9 /* sticks that are called the same */
#define WRITTEN 3000 /* milliseconds, then what has been written is on them */

static const char *mode = "read-write";

static unsigned number(const unsigned char *at, int bytes) {
  unsigned found = 0;
  while (bytes--) found = found << 8 | at[bytes];
  return found;
}

static const char *kind_of(const unsigned char *head) {
  int boots = head[510] == 0x55 && head[511] == 0xaa;
  if (boots && !memcmp(head + 3, "EXFAT   ", 8)) return "exfat";
  if (boots && (!memcmp(head + 82, "FAT32   ", 8) || !memcmp(head + 54, "FAT1", 4))) return "vfat";
  if (number(head + 1024 + 56, 2) == 0xef53) return "ext4";
  return NULL;
}

/* Letters, digits and a few signs of a label; the rest of it becomes a line. Nothing else gets into a folder's name. */
static void clean(const unsigned char *label, int size, char *name) {
  int used = 0;
  for (int i = 0; i < size && label[i]; i++) name[used++] = isalnum(label[i]) || strchr("-_.+ ", label[i]) ? label[i] : '_';
  while (used && name[used - 1] == ' ') used--;
  name[used] = 0;
  if (*name == '.') *name = '_';
}

/* FAT, by its directory: that is where a label is changed (Microsoft's specification, 6.1). Only its first sectors are looked at. */
static void label_of_fat(int file, const unsigned char *head, char *name) {
  unsigned char entries[HEAD];
  unsigned sector = number(head + 11, 2), tables = head[16], size = number(head + 22, 2);
  int large = size == 0;
  if (large) size = number(head + 36, 4);
  unsigned long long at = (number(head + 14, 2) + (unsigned long long)tables * size) * sector;
  if (large) at += (unsigned long long)(number(head + 44, 4) - 2) * head[13] * sector;
  clean(head + (large ? 71 : 43), 11, name);
  ssize_t got = pread(file, entries, sizeof entries, at);
  for (int i = 0; i + 32 <= got && entries[i]; i += 32)
    if (entries[i] != 0xe5 && (entries[i + 11] & 0x3f) == 0x08) return clean(entries + i, 11, name);
  if (!strcmp(name, "NO NAME")) *name = 0;
}

/* exFAT, by the entry 0x83 of its root folder, in UTF-16; of others than ASCII a line is left. */
static void label_of_exfat(int file, const unsigned char *head, char *name) {
  unsigned char entries[HEAD], label[11];
  unsigned shift = head[108], cluster = head[109];
  if (shift > 12 || cluster > 25) return;
  unsigned long long at = ((unsigned long long)number(head + 88, 4) << shift) + ((unsigned long long)(number(head + 96, 4) - 2) << (shift + cluster));
  ssize_t got = pread(file, entries, sizeof entries, at);
  for (int i = 0; i + 32 <= got && entries[i]; i += 32) {
    int length = entries[i + 1];
    if (entries[i] != 0x83 || length > 11) continue;
    for (int k = 0; k < length; k++) label[k] = entries[i + 3 + 2 * k] ? entries[i + 2 + 2 * k] | entries[i + 3 + 2 * k] : entries[i + 2 + 2 * k];
    return clean(label, length, name);
  }
}

/* What a stick holds (NULL: nothing that is known) and is called. */
static const char *look(const char *path, const char *node, char *name) {
  unsigned char head[HEAD];
  *name = 0;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  const char *kind = file >= 0 && pread(file, head, sizeof head, 0) == sizeof head ? kind_of(head) : NULL;
  if (kind && !strcmp(kind, "vfat")) label_of_fat(file, head, name);
  else if (kind && !strcmp(kind, "exfat")) label_of_exfat(file, head, name);
  else if (kind) clean(head + 1024 + 120, 16, name);
  if (file >= 0) close(file);
  if (!*name) snprintf(name, NAME_SIZE, "%s", node);
  return kind;
}

static int door(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = DOOR};
  int file = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (file < 0 || connect(file, (struct sockaddr *)&address, sizeof address)) {
    fprintf(stderr, "sticks: PID 1 takes no requests: %s\n", strerror(errno));
    exit(1);
  }
  return file;
}

/* What PID 1 answers to a request, in its place. */
static void request(int pid1, char *text, size_t size) {
  if (send(pid1, text, strlen(text), MSG_NOSIGNAL) < 0) exit(1);
  ssize_t got = recv(pid1, text, size - 1, 0);
  if (got <= 0) exit(1); /* PID 1 has another to talk to */
  text[got] = 0;
}

/* 1: it is mounted; 0: another stick has the name; -1: it is not, and that is said. */
static int ask(int pid1, const char *node, const char *kind, const char *name) {
  char text[256];
  snprintf(text, sizeof text, "mount\t%s\t%s\t%s\t%s\n", node, kind, mode, name);
  request(pid1, text, sizeof text);
  if (!strcmp(text, "error taken")) return 0;
  printf("%s (%s): %s: %s\n", node, kind, name, text);
  return strcmp(text, "ok") ? -1 : 1;
}

static void take(int pid1, const char *node) {
  char path[300], label[NAME_SIZE], name[NAME_SIZE + 4];
  snprintf(path, sizeof path, STICKS "/%s", node);
  const char *kind = look(path, node, label);
  if (!kind) {
    printf("%s: no file system that is known here\n", node);
    return;
  }
  strcpy(name, label);
  for (int i = 2; ask(pid1, node, kind, name) == 0 && i <= MOST_OF_A_NAME; i++) snprintf(name, sizeof name, "%s-%d", label, i);
}

static void take_all(int pid1) {
  DIR *all = opendir(STICKS);
  for (struct dirent *one; all && (one = readdir(all));)
    if (*one->d_name != '.') take(pid1, one->d_name);
  if (all) closedir(all);
}

/* How many sticks there are. */
static int write_out(void) {
  char path[300];
  int count = 0;
  DIR *all = opendir(MEDIA);
  for (struct dirent *one; all && (one = readdir(all));) {
    if (*one->d_name == '.') continue;
    snprintf(path, sizeof path, MEDIA "/%s", one->d_name);
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file >= 0) syncfs(file), close(file), count++;
  }
  if (all) closedir(all);
  return count;
}

static int open_for_ejects(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = EJECTS};
  int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  unlink(EJECTS);
  if (file < 0 || bind(file, (struct sockaddr *)&address, sizeof address) || listen(file, 8)) perror("sticks: " EJECTS);
  return file;
}

/* One who asks has a second to say which. */
static void eject(int pid1, int asks) {
  char name[128], text[256];
  struct timeval patience = {.tv_sec = 1};
  int file = accept4(asks, NULL, NULL, SOCK_CLOEXEC);
  if (file < 0) return;
  setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ssize_t got = recv(file, name, sizeof name - 1, 0);
  name[got > 0 ? got : 0] = 0;
  name[strcspn(name, "\t\n")] = 0;
  snprintf(text, sizeof text, "eject\t%s\n", name);
  request(pid1, text, sizeof text - 1);
  printf("eject %s: %s\n", name, text);
  strcat(text, "\n");
  send(file, text, strlen(text), MSG_NOSIGNAL);
  close(file);
}

static void stay(int pid1, int news) {
  char text[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
  struct pollfd waited[] = {{.fd = news, .events = POLLIN}, {.fd = pid1, .events = POLLIN}, {.fd = open_for_ejects(), .events = POLLIN}};
  for (int there = 1;;) {
    poll(waited, 3, there ? WRITTEN : -1);
    if (waited[1].revents) exit(1); /* it has nothing to say by itself */
    if (waited[2].revents) eject(pid1, waited[2].fd);
    ssize_t got = waited[0].revents ? read(news, text, sizeof text) : 0;
    for (char *at = text; at < text + got;) {
      struct inotify_event *event = (struct inotify_event *)at;
      if (event->mask & IN_Q_OVERFLOW) take_all(pid1);
      else if (event->len && *event->name != '.') take(pid1, event->name);
      at += sizeof *event + event->len;
    }
    there = write_out();
  }
}

int main(int count, char **words) {
  char name[NAME_SIZE];
  if (count == 3 && !strcmp(words[1], "--look")) {
    const char *kind = look(words[2], "unnamed", name);
    printf("%s %s\n", kind ? kind : "-", name);
    return !kind;
  }
  if (count > 1) mode = words[1];
  setvbuf(stdout, NULL, _IOLBF, 0);
  int pid1 = door(), news = inotify_init1(IN_CLOEXEC);
  if (news < 0 || inotify_add_watch(news, STICKS, IN_MOVED_TO) < 0) return fprintf(stderr, "sticks: %s: %s\n", STICKS, strerror(errno)), 1;
  take_all(pid1);
  close(open(LOOKING, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  stay(pid1, news);
}
