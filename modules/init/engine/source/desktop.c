/* A machine's desktops: containers that are started and ended together, while the machine goes on. */
#include "init.h"
#include <string.h>

#define LOOK 0.1

void declare_desktop(const char *name, const char *desktop, int rests) {
  struct job *job = find_job(name);
  if (!job) return;
  job->desktop = strdup(desktop);
  job->rests = rests;
  if (!rests) return;
  job->phase = ENDED;
  job->wanted = 0;
}

static int is_of(const struct job *job, const char *desktop) {
  return job->desktop && !strcmp(job->desktop, desktop);
}

/* What of it does not run; 0: there is no such desktop. */
int start_desktop(const char *name) {
  int found = 0, started = 0;
  for (int i = 0; i < job_count; i++) {
    if (!is_of(&jobs[i], name)) continue;
    found = 1;
    jobs[i].leaving = 0;
    if (jobs[i].wanted) continue;
    started++;
    restart_job(&jobs[i]);
  }
  if (started) say("%s is started", name);
  return found;
}

/* Nothing of it is started again until somebody wants to see it; those that others stand on end after them. */
int stop_desktop(const char *name) {
  int found = 0;
  for (int i = 0; i < job_count; i++) {
    if (!is_of(&jobs[i], name)) continue;
    found = 1;
    jobs[i].wanted = 0;
    jobs[i].rests = 1;
    jobs[i].leaving = jobs[i].phase != ENDED;
    if (under_systemd && jobs[i].phase == WAITING) jobs[i].leaving = 2, stop_job(&jobs[i]); /* it may be just being started there */
  }
  if (found) say("%s is ended", name);
  return found;
}

static int holds_up(const struct job *job) {
  for (int i = 0; i < job_count; i++)
    if (jobs[i].leaving && jobs[i].phase != ENDED && &jobs[i] != job && leans_on(&jobs[i], job)) return 1;
  return 0;
}

/* In how many seconds to look again. */
double advance_desktops(void) {
  int left = 0;
  for (int i = 0; i < job_count; i++) {
    struct job *job = &jobs[i];
    if (job->phase == ENDED) job->leaving = 0;
    if (!job->leaving) continue;
    left++;
    if (job->leaving == 1 && !holds_up(job)) job->leaving = 2, stop_job(job);
  }
  return left ? LOOK : NEVER;
}

/* `ready`, `starting`, `ending` or `rests`, once for each. */
void each_desktop(void (*tell)(int file, const char *name, const char *state), int file) {
  for (int i = 0; i < job_count; i++) {
    int first = jobs[i].desktop != NULL, all = 1, some = 0, leaving = 0;
    for (int k = 0; k < job_count && first; k++) {
      if (!is_of(&jobs[k], jobs[i].desktop)) continue;
      if (k < i) first = 0;
      some |= jobs[k].phase != ENDED;
      all &= jobs[k].ready || jobs[k].phase == ENDED;
      leaving |= jobs[k].leaving;
    }
    if (first) tell(file, jobs[i].desktop, !some ? "rests" : leaving ? "ending" : all ? "ready" : "starting");
  }
}
