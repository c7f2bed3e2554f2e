/* keep-log SOCKET FOLDER MEGABYTES DAYS: what comes as datagrams, "NAME\n" and bytes, is kept as lines "SECONDS<tab>NAME<tab>TEXT" in files
 * BOOT.PART, both counted. The first line of a file is "# " and the kernel's own number of that start. The oldest files go when all are too
 * large or they are too old, and when the disk is full. Who sends never waits: what cannot be written is lost. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MOST 160
#define LINE 1000
#define HOUR 3600

static struct source {
  char name[128], line[LINE];
  size_t used;
} sources[MOST];
static const char *folder;
static long long most, part_size, oldest_age;
static unsigned boot, part;
static char boot_id[64];
static int file = -1;
static long long used;

static void path_of(char *path, size_t size, unsigned of_boot, unsigned number) {
  snprintf(path, size, "%s/%05u.%05u", folder, of_boot, number);
}

static int is_part(const struct dirent *entry) {
  unsigned a, b;
  int end = 0;
  return sscanf(entry->d_name, "%5u.%5u%n", &a, &b, &end) == 2 && end == 11 && !entry->d_name[11];
}

/* Takes away what is too old or too much, and with `one` the oldest in any case. Whether something went that was not the file in use. */
static int trim(int one) {
  struct dirent **found;
  long long total = 0;
  int gone = 0, count = scandir(folder, &found, is_part, alphasort);
  struct stat facts;
  char path[512];
  for (int i = count - 1; i >= 0; i--) { /* the newest first */
    snprintf(path, sizeof path, "%s/%s", folder, found[i]->d_name);
    int there = stat(path, &facts) == 0;
    total += there ? facts.st_size : 0;
    int old = there && time(NULL) - facts.st_mtime > oldest_age;
    if (i < count - 1 && (total > most || old || (one && i == 0)) && unlink(path) == 0) gone = 1;
  }
  for (int i = 0; i < count; i++) free(found[i]);
  if (count >= 0) free(found);
  return gone;
}

static int put(const char *text, size_t length) {
  ssize_t done = file < 0 ? -1 : write(file, text, length);
  if (done < 0 && errno == ENOSPC && trim(1)) done = write(file, text, length);
  if (done > 0) used += done;
  return done == (ssize_t)length;
}

static void open_part(void) {
  char path[512], head[80];
  if (file >= 0) close(file);
  path_of(path, sizeof path, boot, part);
  file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (file < 0) fprintf(stderr, "%s: %s\n", path, strerror(errno));
  struct stat facts;
  used = file >= 0 && fstat(file, &facts) == 0 ? facts.st_size : 0;
  if (used == 0) put(head, snprintf(head, sizeof head, "# %s\n", boot_id));
}

/* The last file, if it is of this start; else the first of the next boot. */
static void find_place(void) {
  struct dirent **found;
  char path[512], head[80] = "", *line = head + 2;
  int id = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  ssize_t got = id < 0 ? 0 : read(id, boot_id, sizeof boot_id - 1);
  if (id >= 0) close(id);
  boot_id[got > 0 ? strcspn(boot_id, "\n") : 0] = 0;
  int count = scandir(folder, &found, is_part, alphasort);
  if (count > 0) {
    sscanf(found[count - 1]->d_name, "%5u.%5u", &boot, &part);
    path_of(path, sizeof path, boot, part);
    FILE *last = fopen(path, "re");
    if (!last || !fgets(head, sizeof head, last)) *head = 0;
    if (last) fclose(last);
  }
  if (*head) line[strcspn(line, "\n")] = 0;
  if (!*head || strcmp(line, boot_id)) boot++, part = 1;
  for (int i = 0; i < count; i++) free(found[i]);
  if (count >= 0) free(found);
}

static void keep_line(struct source *source) {
  char text[LINE + 256];
  struct timespec t;
  if (used > part_size) part++, open_part(), trim(0);
  clock_gettime(CLOCK_REALTIME, &t);
  int length = snprintf(text, sizeof text, "%lld.%03ld\t%s\t%.*s\n", (long long)t.tv_sec, t.tv_nsec / 1000000, source->name, (int)source->used, source->line);
  put(text, length);
  source->used = 0;
}

static struct source *source_of(const char *name) {
  for (int i = 0; i < MOST; i++) {
    if (!*sources[i].name) snprintf(sources[i].name, sizeof sources[i].name, "%.127s", name);
    if (!strcmp(sources[i].name, name)) return &sources[i];
  }
  return &sources[MOST - 1];
}

/* What a terminal would obey is not kept as such: whoever reads it has one. */
static void keep(char *text, size_t length) {
  char *end = memchr(text, '\n', length);
  if (!end || end == text || end - text >= 128) return;
  *end = 0;
  struct source *source = source_of(text);
  for (char *at = end + 1; at < text + length; at++) {
    if (*at == '\n' || source->used == LINE) keep_line(source);
    if (*at != '\n') source->line[source->used++] = (unsigned char)*at < ' ' && *at != '\t' ? '?' : *at == 127 ? '?' : *at;
  }
}

static int open_door(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int room = 1 << 20, door = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  unlink(path);
  if (door >= 0) setsockopt(door, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (door < 0 || bind(door, (struct sockaddr *)&address, sizeof address)) return -1;
  return door;
}

int main(int count, char **words) {
  static char text[65536];
  if (count != 5) return fprintf(stderr, "usage: keep-log SOCKET FOLDER MEGABYTES DAYS\n"), 2;
  folder = words[2];
  most = atoll(words[3]) << 20;
  part_size = most / 8 < 65536 ? 65536 : most / 8 > 1 << 20 ? 1 << 20 : most / 8;
  oldest_age = atoll(words[4]) * 24 * HOUR;
  find_place();
  open_part();
  trim(0);
  int door = open_door(words[1]);
  if (door < 0) return fprintf(stderr, "%s: %s\n", words[1], strerror(errno)), 1;
  struct pollfd ready = {.fd = door, .events = POLLIN};
  for (time_t looked = time(NULL);;) {
    if (poll(&ready, 1, HOUR * 1000) > 0) {
      ssize_t got = recv(door, text, sizeof text, 0);
      if (got > 0) keep(text, got);
    }
    if (time(NULL) - looked < HOUR && time(NULL) >= looked) continue;
    looked = time(NULL);
    trim(0);
  }
}
