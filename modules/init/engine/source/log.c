/* What a container says: in a file that does not outgrow its limit, its last lines at hand. On the state's disk, else in memory.
 * Where a module keeps logs, the files are in memory, and it is sent what they hold, and what the kernel says: so nothing is lost that was said
 * before it was there, or while it is away, and nobody waits for it. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LARGEST (256 * 1024) /* then it becomes NAME.log.1, and what was that is gone */
#define IN_MEMORY (64 * 1024)
#define AGAIN 0.5 /* seconds, after the module did not take something */
#define OWN "machine: " /* how lines of the kernel's begin that this program said */

static struct {
  char *job, *path;
  int door, kernel, heard; /* the kernel's messages, and whether news of them are heard */
  char record[1024], name[16];
  size_t length;
  double due;
} keeper = {.door = -1, .kernel = -1};

static const char *place_of_all(void) {
  return state_kept && !keeper.job && !under_systemd ? "/state/log" : RUN "/log";
}

static void place(const struct log *log, char *path, size_t size, const char *end) {
  snprintf(path, size, "%s/%s.log%s", place_of_all(), log->name, end);
}

static void open_file(struct log *log) {
  char path[256];
  struct stat facts;
  place(log, path, sizeof path, "");
  log->file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  log->sent = 0;
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

static int post(const char *name, const char *text, size_t length) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  struct iovec parts[] = {{(char *)name, strlen(name)}, {"\n", 1}, {(char *)text, length}};
  struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = parts, .msg_iovlen = 3};
  snprintf(to.sun_path, sizeof to.sun_path, "%s", keeper.path);
  return sendmsg(keeper.door, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/* What of its file has not been sent yet; whether all has. */
static int forward(struct log *log) {
  char text[4096];
  if (log->file < 0 || !strcmp(log->name, keeper.job)) return 1; /* its own words would never end */
  while (log->sent < log->used) {
    ssize_t got = pread(log->file, text, sizeof text, log->sent);
    if (got <= 0 || !post(log->name, text, got)) return got <= 0;
    log->sent += got;
  }
  return 1;
}

/* The kernel's next message ("6,1234,5678,-;text" and lines with a blank), until there is none. */
static int next_record(void) {
  char raw[2048];
  ssize_t got;
  while ((got = read(keeper.kernel, raw, sizeof raw - 1)) < 0 && errno == EPIPE) continue; /* some were overwritten */
  if (got <= 0) return 0;
  raw[got] = 0;
  char *text = strchr(raw, ';');
  if (!text++) return 0;
  text[strcspn(text, "\n")] = 0;
  unsigned long long at = 0;
  int own = !strncmp(text, OWN, strlen(OWN));
  sscanf(raw, "%*u,%*u,%llu", &at);
  snprintf(keeper.name, sizeof keeper.name, "%s", own ? "machine" : "kernel");
  keeper.length = own ? snprintf(keeper.record, sizeof keeper.record, "%s\n", text + strlen(OWN))
                      : snprintf(keeper.record, sizeof keeper.record, "%7.2f %s\n", at / 1e6, text);
  if (keeper.length >= sizeof keeper.record) keeper.length = sizeof keeper.record - 1;
  return 1;
}

static int forward_kernel(void) {
  for (int times = 0; times < 64; times++) {
    if (!keeper.length && !next_record()) return 1;
    if (!post(keeper.name, keeper.record, keeper.length)) return 0;
    keeper.length = 0;
  }
  return 1;
}

static void on_kernel(int file, void *what) {
  (void)what;
  if (forward_kernel()) return;
  unwatch(file);
  keeper.heard = 0;
}

/* Before the first container is known. */
void declare_keeper(const char *job, const char *path) {
  if (keeper.job) return;
  keeper.job = strdup(job);
  keeper.path = strdup(path);
  keeper.door = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  keeper.kernel = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

int keeps_logs(const struct job *job) {
  return keeper.job && !strcmp(job->name, keeper.job);
}

/* In how many seconds to try again. */
double advance_logs(void) {
  int all = 1;
  if (!keeper.job) return NEVER;
  if (now() < keeper.due) return keeper.due - now();
  for (int i = 0; i < job_count && all; i++) all = forward(&jobs[i].log);
  if (all && keeper.kernel >= 0 && !keeper.heard && (all = forward_kernel())) {
    keeper.heard = 1;
    watch(keeper.kernel, on_kernel, NULL);
  }
  if (all) return NEVER;
  keeper.due = now() + AGAIN;
  return AGAIN;
}

/* All that lies in the pipe, but no more than one turn of the loop should take. */
void drain_log(struct log *log) {
  char text[8192];
  ssize_t got;
  for (int times = 0; times < 8 && (got = read(log->out, text, sizeof text)) > 0; times++) {
    keep_tail(log, text, got);
    if (log->used + got > (keeper.job ? IN_MEMORY : LARGEST)) turn_over(log);
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
  folders(place_of_all(), 0755);
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
