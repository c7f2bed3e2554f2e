/* What goes wrong while all goes on: a command that dies again and again inside a container that stays, one that wants more processes or memory
 * than it may have, a state without room. Each is said on the console, and not again until it has got worse or has been over. Under systemd the
 * containers, their supervisors and their control groups are the same; Podman notes which process is a container's first. */
#include "init.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef LOOK_INSIDE
#define LOOK_INSIDE 5.0 /* seconds between looks */
#endif
#define CALM 60.0       /* seconds without a death, then it is over */
#define FIRST 3         /* deaths in a row, then twice as many, and so on */
#ifndef GROUPS
#define GROUPS "/sys/fs/cgroup/modulux"
#endif
#define LAST_WORDS 5    /* lines */
#define ROOM (16 << 20) /* bytes, less than which is called full */

static struct trouble {
  pid_t pid, teller;
  int starts, calm_starts, next;
  long refused, killed;
  double changed;
} troubles[MOST];

/* The first process of a container that runs; 0 when it is not known. */
static pid_t first_of(const struct job *job) {
  char unit[192], path[256], text[32];
  if (!under_systemd) return job->pid;
  unit_of(job->name, unit, sizeof unit);
  snprintf(path, sizeof path, "/run/%s.pid", unit);
  return read_text(path, text, sizeof text) ? atoi(text) : 0;
}

/* The last that it said. Under systemd its journal has to be asked, and is heard when it has ended. */
void say_last_words(struct job *job) {
  pid_t *teller = &troubles[job - jobs].teller;
  if (!under_systemd) say_tail(&job->log, LAST_WORDS);
  else if (*teller <= 0) *teller = start(last_words(job->name, LAST_WORDS), job->log.in);
}

int teller_ended(pid_t pid) {
  for (int i = 0; i < job_count; i++) {
    if (troubles[i].teller != pid) continue;
    troubles[i].teller = 0;
    say_tail(&jobs[i].log, LAST_WORDS);
    return 1;
  }
  return 0;
}

/* What a container's supervisor notes: its phase, how often the command was started, how that last ended. The file is the container's, so
 * nothing of it is followed, waited for or believed to be short. */
static int supervised(pid_t pid, int *starts, int *ended) {
  char path[64], text[64];
  snprintf(path, sizeof path, "/proc/%d/root/run/modulux.state", (int)pid);
  int file = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  ssize_t got = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (file >= 0) close(file);
  if (got <= 0) return 0;
  text[got] = 0;
  *ended = 0;
  return sscanf(text, "%*15s %d %d", starts, ended) >= 1 && *starts > 0;
}

static void look_for_deaths(struct job *job, struct trouble *trouble) {
  int starts, ended;
  if (!supervised(trouble->pid, &starts, &ended)) return;
  if (starts != trouble->starts) trouble->starts = starts, trouble->changed = now();
  else if (now() - trouble->changed > CALM) trouble->calm_starts = starts, trouble->next = FIRST;
  int deaths = starts - trouble->calm_starts;
  if (deaths < trouble->next) return;
  trouble->next = 2 * deaths;
  say("%s DIES AGAIN AND AGAIN: %d times, the last with %d; it is tried again with pauses", job->name, deaths, ended);
  say_last_words(job);
}

/* The folder of a container's control group. */
static void group_of(const struct job *job, pid_t first, char *path, size_t size) {
  char note[64], text[1024], *place = NULL;
  snprintf(path, size, GROUPS "/%s", job->name);
  if (!under_systemd) return;
  snprintf(note, sizeof note, "/proc/%d/cgroup", (int)first); /* 0::/system.slice/UNIT.service/libpod-payload-ID */
  if (read_text(note, text, sizeof text)) place = strstr(text, "0::/");
  snprintf(path, size, "/sys/fs/cgroup%.*s", place ? (int)strcspn(place + 3, "\n") : 0, place ? place + 3 : "");
}

/* A count that the kernel keeps for a control group; 0 where there is none. */
static long counted(const char *group, const char *file, const char *key) {
  char path[1200], text[512];
  long count = 0;
  size_t length = strlen(key);
  snprintf(path, sizeof path, "%s/%s", group, file);
  if (!read_text(path, text, sizeof text)) return 0;
  for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
    if (!strncmp(line, key, length) && line[length] == ' ') sscanf(line + length, "%ld", &count);
  return count;
}

static void look_at_limits(struct job *job, struct trouble *trouble) {
  char group[1100];
  group_of(job, trouble->pid, group, sizeof group);
  long refused = counted(group, "pids.events", "max"), killed = counted(group, "memory.events", "oom_kill");
  if (refused && !trouble->refused) say("%s wants MORE PROCESSES than it may have; they are refused", job->name);
  if (killed > 2 * trouble->killed) {
    say("%s wants MORE MEMORY than it may have; %ld of its processes were ended", job->name, killed);
    trouble->killed = killed;
  }
  trouble->refused = refused;
}

static void look_for_room(void) {
  static int full;
  struct statfs facts;
  if (statfs("/state", &facts) || !facts.f_blocks || facts.f_flags & ST_RDONLY) return; /* or it has been taken off: then it is the system that is seen */
  unsigned long long left = (unsigned long long)facts.f_bavail * facts.f_bsize, size = (unsigned long long)facts.f_blocks * facts.f_bsize;
  unsigned long long least = size / 50 < ROOM ? size / 50 : ROOM;
  int now_full = left < (full ? 2 * least : least) || (facts.f_files && !facts.f_ffree);
  if (now_full && !full) say("state: FULL, %llu of %llu MB are left; what is written now may be lost", left >> 20, size >> 20);
  if (!now_full && full) say("state: there is room again, %llu of %llu MB", left >> 20, size >> 20);
  full = now_full;
}

/* In how many seconds to look again. */
double advance_troubles(void) {
  static double due;
  if (ending) return NEVER;
  if (now() < due) return due - now();
  due = now() + LOOK_INSIDE;
  look_for_room();
  if (under_systemd) look_at_start();
  for (int i = 0; i < job_count; i++) {
    if (jobs[i].phase != RUNNING || jobs[i].stopping) continue;
    pid_t first = first_of(&jobs[i]), teller = troubles[i].teller;
    if (troubles[i].pid != first) troubles[i] = (struct trouble){.pid = first, .teller = teller, .calm_starts = 1, .next = FIRST, .changed = now()};
    if (first <= 0) continue;
    look_for_deaths(&jobs[i], &troubles[i]);
    look_at_limits(&jobs[i], &troubles[i]);
  }
  return LOOK_INSIDE;
}
