/* The same machine with systemd as PID 1. What containers stand on is mounted by this program, as always; then systemd takes its place,
 * and starts them by their units. As a service of systemd's, this program goes on telling who is ready, and takes the same commands. */
#include "init.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef SYSTEMD
#define SYSTEMD "/usr/lib/systemd/systemd"
#endif
#define PODMAN "/usr/bin/podman"
#ifndef SYSTEMCTL
#define SYSTEMCTL "/usr/bin/systemctl"
#endif
#ifndef JOURNALCTL
#define JOURNALCTL "/usr/bin/journalctl"
#endif
#define LOOK 0.3  /* seconds between looks at who runs */
#define WORD 20   /* seconds that a unit may take to note how it ended, once Podman has forgotten the container */
#define TOLD_AGAIN 60 /* seconds that systemd may take to start one */
#define LOOP_AT 3 /* deaths in a row, then twice as many, and so on */
#define FIRST_SIGNAL 34 /* systemd's SIGRTMIN; the C library's of this program is another */

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

/* Who mounted the state has become systemd; what lies in memory is no ext4. */
void know_state(void) {
  struct statfs facts;
  state_kept = !statfs("/state", &facts) && facts.f_type == EXT4_SUPER_MAGIC;
}

/* A container's unit is named as it is; systemd makes much of dots. */
void unit_of(const char *name, char *unit, size_t size) {
  snprintf(unit, size, "%s", name);
  for (char *at = unit; *at; at++)
    if (*at == '.') *at = '-';
}

/* What the runtime calls it: under systemd the id that Podman has given it. Podman itself could be asked, but is slow to start. */
char *known_as(const char *name, char *id, size_t size) {
  char unit[192], note[256];
  snprintf(id, size, "%s", name);
  if (!under_systemd) return id;
  unit_of(name, unit, sizeof unit);
  snprintf(note, sizeof note, "/run/%s.cid", unit);
  read_text(note, id, size);
  return id;
}

/* Podman notes a container's id as long as its unit runs: the note's number, 0 while there is none. */
static ino_t note_of(const struct job *job) {
  char unit[192], note[256];
  struct stat facts;
  unit_of(job->name, unit, sizeof unit);
  snprintf(note, sizeof note, "/run/%s.cid", unit);
  return stat(note, &facts) ? 0 : facts.st_ino;
}

/* Each time that it ends, or cannot be started, its unit adds a line: systemd's word for it, and with what. How long all of them are;
 * `code` is that of the last. */
static off_t ends_of(const struct job *job, int *code) {
  char unit[192], path[256], text[64] = "", result[32] = "", status[16] = "";
  struct stat facts;
  unit_of(job->name, unit, sizeof unit);
  snprintf(path, sizeof path, "/run/%s.ends", unit);
  if (stat(path, &facts)) return 0;
  if (facts.st_size == job->ends || !code) return facts.st_size;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = file < 0 ? -1 : pread(file, text, sizeof text - 1, facts.st_size > 63 ? facts.st_size - 63 : 0);
  if (file >= 0) close(file);
  if (got > 0 && text[got - 1] == '\n') text[got - 1] = 0;
  char *last = strrchr(text, '\n');
  sscanf(last ? last + 1 : text, "%31s %15s", result, status);
  *code = isdigit((unsigned char)*status) ? atoi(status) : strcmp(result, "success") ? 128 : 0; /* else the name of a signal */
  return facts.st_size;
}

/* Not told to: it is started again, by systemd. */
static void has_died(struct job *job, double ran) {
  count_death(job, ran);
  int times = job->fails / LOOP_AT;
  if (job->fails % LOOP_AT || times & (times - 1)) return;
  say("%s DIES AGAIN AND AGAIN: %d times; it is tried again with pauses", job->name, job->fails);
  say_last_words(job);
}

/* It has ended; with what, its unit notes after Podman. Whether that is there, or will not come. */
static int end_is_noted(struct job *job) {
  if (ends_of(job, NULL) != job->ends) return 1;
  if (!job->deadline) job->deadline = now() + WORD;
  return now() >= job->deadline;
}

static void is_gone(struct job *job) {
  int code = 0;
  double ran = now() - job->began;
  job->ends = ends_of(job, &code);
  job->phase = ending ? ENDED : WAITING;
  job->ready = job->answered = 0;
  forget_answers(job->answers);
  if (ending) {
    say("stopped %s", job->name);
    return;
  }
  say("%s ended with %d after %.1f s", job->name, code, ran);
  if (!job->again && (job->restart == 'n' || (job->restart == 'f' && !code))) job->wanted = 0;
  if (job->wanted && !job->again) has_died(job, ran);
  job->again = 0;
}

/* Podman has not come as far as to note it. */
static void look_for_failed_start(struct job *job) {
  int code = 0;
  off_t ends = ends_of(job, &code);
  if (ends == job->ends) return;
  job->ends = ends;
  say("%s cannot be started (%s: %d)", job->name, PODMAN, code);
  has_died(job, 0);
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
  if (job->phase == ENDED) job->phase = WAITING, job->ends = ends_of(job, NULL);
  tell_of("--no-block", job->again ? "restart" : "start", job);
}

/* Those that are not needed for the picture are started all at once, as systemd knows them. */
static void start_all_else(void) {
  static int started;
  if (started || !picture_there()) return;
  started = 1;
  tell_systemd("--no-block", "start", "machine-later.target");
}

/* One that waits for devices, which systemd does not start by itself (units.py). That it was told to may have been lost. */
static void start_in_time(struct job *job) {
  if (job->phase != WAITING || job->starts || job->fails || job->due > now() || !wants_devices(job->name)) return;
  if (held_back(job) || !has_turn(job->name) || !devices_there(job->name)) return;
  job->due = now() + TOLD_AGAIN;
  start_unit(job);
}

/* In how many seconds to look again. */
double advance_watched(struct job *job) {
  ino_t note = note_of(job);
  if (job->phase == CLEANING) return NEVER; /* systemctl stops it */
  if (job->phase == RUNNING && note != job->note && end_is_noted(job)) is_gone(job);
  if (!note && job->wanted && job->phase == WAITING) look_for_failed_start(job);
  if (note && job->wanted && job->phase != RUNNING) {
    job->phase = RUNNING;
    job->ends = ends_of(job, NULL);
    job->note = note;
    job->began = now();
    job->deadline = 0;
    job->starts++;
    say("started %s", job->name);
  }
  if (!note && !job->wanted) job->phase = ENDED;
  if (job->later) start_all_else();
  start_in_time(job);
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
  static char *words[] = {JOURNALCTL, "--quiet", "--no-pager", "--output=cat", "--lines=200", "--unit", unit, NULL};
  unit_of(name, unit, sizeof unit);
  return words;
}

/* The same, but only the last of what its own processes have said, without systemd's words about them. */
char **last_words(const char *name, int lines) {
  static char count[32], match[256];
  static char *words[] = {JOURNALCTL, "--quiet", "--no-pager", "--output=cat", count, match, NULL};
  char unit[192];
  unit_of(name, unit, sizeof unit);
  snprintf(count, sizeof count, "--lines=%d", lines);
  snprintf(match, sizeof match, "_SYSTEMD_UNIT=%s.service", unit);
  return words;
}

/* `how` is what reboot(2) would be told. */
void end_by_systemd(int how) {
  write_text(AT_THE_END, "");
  ender = tell_systemd("--no-block", how == RB_POWER_OFF ? "poweroff" : "reboot", NULL);
  if (ender < 0) ending = 0, unlink(AT_THE_END);
}

/* Whether it was that who was to end the machine; he may have failed. */
int end_refused(pid_t pid, int status) {
  if (pid != ender) return 0;
  ender = 0;
  if (!status) return 1;
  say("systemd cannot be asked to end the machine (%d): it is told", result(status)); /* what asks may lie in a damaged block */
  kill(1, FIRST_SIGNAL + (ending == RB_POWER_OFF ? 4 : 5));
  return 1;
}
