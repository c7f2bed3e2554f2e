/* The same machine with systemd as PID 1. What containers stand on is mounted by this program, as always; then systemd takes its place,
 * and starts them by their units. As a service of systemd's, this program goes on telling who is ready, and takes the same commands. */
#include "init.h"
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEMD "/usr/lib/systemd/systemd"
#define PODMAN "/usr/bin/podman"
#define SYSTEMCTL "/usr/bin/systemctl"
#define LOOK 0.3 /* seconds between looks at who runs */

int under_systemd;
static pid_t ender;

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

/* Podman notes a container's id as long as its unit runs: the note's number, 0 while there is none. */
static ino_t note_of(const struct job *job) {
  char unit[192], note[256];
  struct stat facts;
  unit_of(job->name, unit, sizeof unit);
  snprintf(note, sizeof note, "/run/%s.cid", unit);
  return stat(note, &facts) ? 0 : facts.st_ino;
}

static void is_gone(struct job *job) {
  say("%s ended", job->name);
  job->phase = WAITING;
  job->ready = job->answered = 0;
  forget_answers(job->answers);
  if (job->wanted && !job->again) count_death(job, now() - job->began);
  job->again = 0;
}

static pid_t tell_systemd(const char *how, const char *verb, const char *unit) {
  char *argv[] = {SYSTEMCTL, (char *)how, (char *)verb, (char *)unit, NULL};
  return start(argv, -1);
}

static pid_t tell_of(const char *how, const char *verb, const struct job *job) {
  char unit[200];
  unit_of(job->name, unit, sizeof unit - 8);
  strcat(unit, ".service");
  return tell_systemd(how, verb, unit);
}

/* It has stayed alive: the next time it is started again at once. */
static void begin_anew(struct job *job) {
  job->fails = 0;
  tell_of("--quiet", "reset-failed", job);
}

/* Whether it has not ended, though it was told to. */
int runs_still(struct job *job) {
  if (!note_of(job)) return 0;
  job->phase = RUNNING;
  return 1;
}

/* Also when it runs, and is to run anew. */
void start_unit(struct job *job) {
  job->again = job->phase == RUNNING;
  job->wanted = 1;
  if (job->phase == ENDED) job->phase = WAITING;
  tell_of("--no-block", job->again ? "restart" : "start", job);
}

/* Those that are not needed for the picture are started all at once, as systemd knows them. */
static void start_all_else(void) {
  static int started;
  if (started || !picture_there()) return;
  started = 1;
  tell_systemd("--no-block", "start", "machine-later.target");
}

/* In how many seconds to look again. */
double advance_watched(struct job *job) {
  ino_t note = note_of(job);
  if (job->phase == CLEANING) return NEVER; /* systemctl stops it */
  if (job->phase == RUNNING && note != job->note) is_gone(job);
  if (note && job->wanted && job->phase != RUNNING) {
    job->phase = RUNNING;
    job->note = note;
    job->began = now();
    job->starts++;
    say("started %s", job->name);
  }
  if (!note && !job->wanted) job->phase = ENDED;
  if (job->later) start_all_else();
  if (job->phase == WAITING && job->due < NEVER && is_started_in_turn(job->name) && has_turn(job->name)) job->due = NEVER, start_unit(job);
  if (job->phase == RUNNING && job->fails && now() - job->began > CALM) begin_anew(job);
  return LOOK;
}

/* It has ended once systemctl has. */
void stop_unit(struct job *job) {
  if (job->phase == CLEANING || job->phase == ENDED) return;
  if (job->phase == RUNNING) say("%s is stopped", job->name);
  job->ready = job->answered = 0;
  forget_answers(job->answers);
  job->pid = tell_of("--quiet", "stop", job);
  job->phase = job->pid > 0 ? CLEANING : ENDED;
}

/* Units are read anew; the process that has that done. */
pid_t read_units(void) {
  return tell_systemd("--quiet", "daemon-reload", NULL);
}

/* What has systemd's journal say what a container has said. */
char **log_words(const char *name) {
  static char unit[192];
  static char *words[] = {"/usr/bin/journalctl", "--quiet", "--no-pager", "--output=cat", "--lines=200", "--unit", unit, NULL};
  unit_of(name, unit, sizeof unit);
  return words;
}

/* `how` is what reboot(2) would be told. */
void end_by_systemd(int how) {
  ender = tell_systemd("--no-block", how == RB_POWER_OFF ? "poweroff" : "reboot", NULL);
  if (ender < 0) ending = 0;
}

/* Whether it was that who was to end the machine; he may have failed. */
int end_refused(pid_t pid, int status) {
  if (pid != ender) return 0;
  ender = 0;
  if (status) ending = 0, say("systemd does not end the machine (%d)", result(status));
  return 1;
}
