/* Messages, files, folders, programs: what both stages need. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* As an error, which the kernel shows whatever it was told to be quiet about. */
void say(const char *format, ...) {
  char line[640];
  int used = snprintf(line, sizeof line, "<3>machine: %7.2f ", now());
  va_list values;
  va_start(values, format);
  vsnprintf(line + used, sizeof line - used - 1, format, values);
  va_end(values);
  strcat(line, "\n");                                 /* else it is shown with the next one */
  int kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC); /* the kernel brings it to every console it has */
  if (kmsg < 0) kmsg = dup(STDERR_FILENO);
  if (write(kmsg, line, strlen(line)) < 0) errno = 0;
  close(kmsg);
}

int attach(const char *what, const char *where, const char *kind, unsigned long flags, const char *options) {
  if (mount(what, where, kind, flags, options) == 0) return 0;
  say("cannot mount %s (%s) at %s: %s", what, kind, where, strerror(errno));
  return -1;
}

void folders(const char *path, mode_t mode) {
  char part[512];
  snprintf(part, sizeof part, "%s", path);
  for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(part, 0755);
    *slash = '/';
  }
  mkdir(part, mode);
}

/* The first `size` bytes of a small file; 0 when it cannot be read. The last newline is taken off. */
int read_text(const char *path, char *text, size_t size) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = file < 0 ? 0 : read(file, text, size - 1);
  if (file >= 0) close(file);
  if (got < 0) got = 0;
  text[got] = 0;
  if (got && text[got - 1] == '\n') text[got - 1] = 0;
  return got > 0;
}

int write_text(const char *path, const char *text) {
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  ssize_t length = strlen(text), put = file < 0 ? -1 : write(file, text, length);
  if (file >= 0) close(file);
  return put == length ? 0 : -1;
}

/* A process that goes on as this one, but has none of its files and is told to end as any other; 0 in it. */
pid_t branch(const char *name) {
  pid_t pid = fork();
  if (pid) return pid;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
  prctl(PR_SET_NAME, name);
  return 0;
}

/* A program, all that it says to `output` (-1: to nobody); its process, or -1. */
pid_t start(char *const argv[], int output) {
  pid_t pid = fork();
  if (pid) return pid;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  setsid();
  int empty = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(empty, STDIN_FILENO);
  if (output < 0) output = empty;
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execv(argv[0], argv);
  _exit(127);
}

/* Only before the loop and after it. */
int finish(char *const argv[]) {
  int status = 0;
  pid_t pid = start(argv, -1);
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return pid < 0 ? -1 : result(status);
}

/* As a shell says it. */
int result(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
