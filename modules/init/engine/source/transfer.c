/* Bytes that come by the control port, written where they belong and read again. */
#include "transfer.h"
#include "init.h"
#include "move.h"
#include "sha256.h"
#include "update.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NOTED (8 << 20) /* bytes after which it is noted how far it got */

static unsigned char bytes[256 * 1024];

int tell(const char *format, ...) {
  va_list values;
  va_start(values, format);
  vdprintf(STDIN_FILENO, format, values);
  va_end(values);
  return 1;
}

int refuse(const char *what) {
  return tell("error %s: %s\n", what, strerror(errno));
}

int is_sum(const char *text) {
  return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* From the disk itself, not from memory. */
int is_what_was_sent(int file, uint64_t size, const char *sum) {
  struct sha256 made;
  char text[65];
  fsync(file);
  ioctl(file, BLKFLSBUF, 0);
  posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  sha256_begin(&made);
  for (uint64_t at = 0; at < size;) {
    ssize_t got = pread(file, bytes, size - at < sizeof bytes ? size - at : sizeof bytes, at);
    if (got <= 0) return 0;
    sha256_add(&made, bytes, got);
    at += got;
  }
  sha256_text(&made, text);
  return !strcmp(text, sum);
}

/* What still comes is no command. */
static int wait_for_end(void) {
  while (read(STDIN_FILENO, bytes, sizeof bytes) > 0) continue;
  return NOT_WRITTEN;
}

/* All from byte `at` on; not 0 when it has not come whole, or could not be written. */
int take(int file, uint64_t at, uint64_t size, void (*note)(uint64_t at)) {
  uint64_t told = at;
  while (at < size) {
    ssize_t got = read(STDIN_FILENO, bytes, size - at < sizeof bytes ? size - at : sizeof bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break; /* who sends has left */
    if (pwrite(file, bytes, got, at) != got) return refuse("it cannot be written"), wait_for_end();
    at += got;
    if (at - told < NOTED) continue;
    told = at;
    note(at);
  }
  note(at);
  return at < size;
}

static const char *const of_slots[] = {"slots", "clear", "receive", "place", "rollback", NULL};
static const char *const of_updates[] = {"plan", "description", "updates", "bring", "propose", NULL};
static const char *const of_disks[] = {"disks", "move", "back", "stay", "forget", NULL};

static int is_among(const char *verb, const char *const verbs[]) {
  for (int i = 0; verbs[i]; i++)
    if (!strcmp(verb, verbs[i])) return 1;
  return 0;
}

/* Verbs whose bytes go past PID 1. */
int is_apart(const char *verb) {
  return is_among(verb, of_slots) || is_among(verb, of_updates) || is_among(verb, of_disks);
}

/* The process that obeys, talking by `file` until it ends. */
pid_t serve_apart(int file, char **words) {
  int before = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  dup2(file, STDIN_FILENO);
  pid_t pid = branch("apart");
  int (*obey)(char **words) = is_among(words[0], of_slots) ? obey_slots : is_among(words[0], of_disks) ? obey_disks : obey_update;
  if (pid == 0) _exit(obey(words) != 0);
  if (before < 0) close(STDIN_FILENO);
  else dup2(before, STDIN_FILENO), close(before);
  return pid;
}
