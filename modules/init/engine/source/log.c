/* What a container says: in a file that does not outgrow its limit, its last lines at hand. On the state's disk, else in memory. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST (256 * 1024) /* then it becomes NAME.log.1, and what was that is gone */

static void place(const struct log *log, char *path, size_t size, const char *end) {
  snprintf(path, size, "%s/%s.log%s", state_kept ? "/state/log" : RUN "/log", log->name, end);
}

static void open_file(struct log *log) {
  char path[256];
  struct stat facts;
  place(log, path, sizeof path, "");
  log->file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  log->used = log->file >= 0 && fstat(log->file, &facts) == 0 ? facts.st_size : 0;
}

static void turn_over(struct log *log) {
  char path[256], older[256];
  place(log, path, sizeof path, "");
  place(log, older, sizeof older, ".1");
  if (log->file >= 0) close(log->file);
  rename(path, older);
  open_file(log);
}

static void keep_tail(struct log *log, const char *text, size_t length) {
  size_t room = sizeof log->tail;
  if (length > room) text += length - room, length = room;
  size_t old = log->tail_used + length > room ? room - length : log->tail_used;
  memmove(log->tail, log->tail + log->tail_used - old, old);
  memcpy(log->tail + old, text, length);
  log->tail_used = old + length;
}

/* All that lies in the pipe, but no more than one turn of the loop should take. */
void drain_log(struct log *log) {
  char text[8192];
  ssize_t got;
  for (int times = 0; times < 8 && (got = read(log->out, text, sizeof text)) > 0; times++) {
    keep_tail(log, text, got);
    if (log->used + got > LARGEST) turn_over(log);
    if (log->file >= 0 && write(log->file, text, got) > 0) log->used += got; /* a full disk costs the log, nothing else */
  }
}

static void on_text(int file, void *log) {
  (void)file;
  drain_log(log);
}

/* One pipe for as long as the machine runs, whoever writes to it. */
void open_log(struct log *log, const char *name) {
  int ends[2] = {-1, -1};
  folders(state_kept ? "/state/log" : RUN "/log", 0755);
  snprintf(log->name, sizeof log->name, "%s", name);
  open_file(log);
  if (pipe2(ends, O_CLOEXEC)) say("no log for %s: %s", name, strerror(errno));
  log->out = ends[0];
  log->in = ends[1];
  if (log->out < 0) return;
  fcntl(log->out, F_SETFL, O_NONBLOCK);
  watch(log->out, on_text, log);
}

void say_tail(struct log *log, int lines) {
  drain_log(log);
  const char *end = log->tail + log->tail_used, *from = end;
  while (from > log->tail && (from == end || from[-1] != '\n' || --lines > 0)) from--;
  while (from < end) {
    const char *stop = memchr(from, '\n', end - from);
    if (!stop) stop = end;
    if (stop > from) say("  %s: %.*s", log->name, (int)(stop - from), from);
    from = stop + 1;
  }
}

/* The last of the file, for who asks. */
size_t read_log(struct log *log, char *text, size_t size) {
  char path[256];
  drain_log(log);
  place(log, path, sizeof path, "");
  int file = open(path, O_RDONLY | O_CLOEXEC);
  off_t end = file < 0 ? 0 : lseek(file, 0, SEEK_END);
  ssize_t got = file < 0 ? 0 : pread(file, text, size, end > (off_t)size ? end - (off_t)size : 0);
  if (file >= 0) close(file);
  return got > 0 ? got : 0;
}

void close_logs(void) {
  for (int i = 0; i < job_count; i++) {
    drain_log(&jobs[i].log);
    if (jobs[i].log.file >= 0) close(jobs[i].log.file);
    jobs[i].log.file = -1;
  }
}
