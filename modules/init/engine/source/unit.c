/* What systemd runs beside a unit of Podman's: to end its container (`init end UNIT`), and once that has ended (`init ended UNIT`). Podman
 * would start itself three times for that, which takes an emulated processor some seconds each time. As it is, it is started once, by
 * conmon, which is the unit's main process and has it clear up; and not at all when the machine ends. */
#include "init.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef TO_END
#define TO_END 5 /* seconds that a container has to end by itself */
#endif
#define TO_CLEAR_UP 30 /* that Podman has after it */

static int signal_container(char *id, char *with) {
  char *argv[] = {RUNTIME, "kill", id, with, NULL};
  return finish(argv);
}

static int handle_of(const char *number) {
  return (int)syscall(SYS_pidfd_open, atoi(number), 0);
}

static int ends_within(int process, int seconds) {
  struct pollfd gone = {.fd = process, .events = POLLIN};
  return process < 0 || poll(&gone, 1, seconds * 1000) > 0;
}

/* Returns when it has ended and is cleared up after, or that takes too long. */
int end_unit(const char *unit) {
  char path[256], id[128], first[32];
  const char *main_process = getenv("MAINPID");
  snprintf(path, sizeof path, "/run/%s.cid", unit);
  int noted = read_text(path, id, sizeof id);
  snprintf(path, sizeof path, "/run/%s.pid", unit);
  if (!main_process || !noted || !read_text(path, first, sizeof first)) return 0; /* systemd ends what there is */
  int container = handle_of(first), keeper = handle_of(main_process), last = !access(AT_THE_END, F_OK);
  if (keeper < 0) return 0;
  if (last) kill(atoi(main_process), SIGSTOP); /* all that there is to clear up lies in memory */
  if (!signal_container(id, "TERM") && !ends_within(container, TO_END)) signal_container(id, "KILL");
  if (last) kill(atoi(main_process), SIGKILL);
  return !ends_within(keeper, TO_CLEAR_UP);
}

/* For the program that watches: how often, and with what; and Podman's note goes if Podman could not clear up, for it starts none that is noted. */
int note_end_of_unit(const char *unit) {
  char path[256], line[64];
  const char *result = getenv("SERVICE_RESULT"), *status = getenv("EXIT_STATUS");
  snprintf(path, sizeof path, "/run/%s.cid", unit);
  unlink(path);
  snprintf(path, sizeof path, "/run/%s.ends", unit);
  int length = snprintf(line, sizeof line, "%s %s\n", result ? result : "unknown", status ? status : "");
  int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  int whole = file >= 0 && length < (int)sizeof line && write(file, line, length) == length;
  if (file >= 0) close(file);
  return !whole;
}
