/* The same machine with systemd as PID 1. What containers stand on is mounted by this program, as always; then systemd takes its place,
 * and starts them by their units. As a service of systemd's, this program goes on telling who is ready, and takes the same commands. */
#include "init.h"
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define SYSTEMD "/usr/lib/systemd/systemd"
#define PODMAN "/usr/bin/podman"
#define LOOK 0.3 /* seconds between looks at who runs */

int under_systemd;

/* Whether the machine was built for it. */
int systemd_wanted(void) {
  char text[32];
  return read_text(PLAN "/init", text, sizeof text) && !strcmp(text, "systemd");
}

/* Only when it cannot does it return. */
void become_systemd(void) {
  static char *argv[] = {"systemd", NULL};
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  attach("tmpfs", "/var", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
  say("planned; systemd takes over");
  execv(SYSTEMD, argv);
  say("%s cannot be run: %s", SYSTEMD, strerror(errno));
}

char *runtime(void) {
  return under_systemd ? PODMAN : RUNTIME;
}

/* A container's unit is named as it is; systemd makes much of dots. */
void unit_of(const char *name, char *unit, size_t size) {
  snprintf(unit, size, "%s", name);
  for (char *at = unit; *at; at++)
    if (*at == '.') *at = '-';
}

/* Podman notes a container's id as long as its unit runs. In how many seconds to look again. */
double advance_watched(struct job *job) {
  char unit[192], note[256];
  unit_of(job->name, unit, sizeof unit);
  snprintf(note, sizeof note, "/run/%s.cid", unit);
  int there = access(note, F_OK) == 0;
  if (there && job->phase != RUNNING) {
    job->phase = RUNNING;
    job->began = now();
    job->starts++;
    say("started %s", job->name);
  } else if (!there && job->phase == RUNNING) {
    say("%s ended", job->name);
    job->phase = WAITING;
    job->ready = job->answered = 0;
  }
  if (!there && !job->wanted) job->phase = ENDED;
  return LOOK;
}

/* What of the commands is systemd's to do: the words that do it; NULL when it is not. */
char **systemd_words(const char *verb, const char *name) {
  static char unit[192], *words[8];
  const char *of_machine = !strcmp(verb, "poweroff") || !strcmp(verb, "reboot") ? verb : NULL;
  int log = !strcmp(verb, "log");
  if (!of_machine && !log && strcmp(verb, "start") && strcmp(verb, "stop") && strcmp(verb, "restart")) return NULL;
  if (name) unit_of(name, unit, sizeof unit - 8);
  strcat(unit, ".service");
  char *found[8] = {"/usr/bin/systemctl", "--no-block", (char *)verb, of_machine ? NULL : unit, NULL};
  char *logged[8] = {"/usr/bin/journalctl", "--quiet", "--no-pager", "--output=cat", "--lines=200", "--unit", unit, NULL};
  memcpy(words, log ? logged : found, sizeof words);
  return words;
}
