/* Containers as long as the machine runs: started when they can be, again when they die, ended in order. */
#include "init.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_TIME 120.0 /* seconds that the runtime may take */
#ifndef GRACE
#define GRACE 10.0 /* from being told to end to being killed */
#endif
#define GRACE_OF_ALL 30.0
#ifndef PICTURE_TIME
#define PICTURE_TIME 60.0 /* seconds without anything more of it */
#endif
#define LONGEST 60.0   /* delay */
#define LOOP_AT 3      /* deaths in a row, then the console shows why */
#define MOST_STRAYS 64 /* ended before it was known who they were */

struct job jobs[MOST];
int job_count;
static struct stray {
  pid_t pid;
  int status;
  double when;
} strays[MOST_STRAYS];
static int stray_next;

struct job *find_job(const char *name) {
  for (int i = 0; i < job_count; i++)
    if (!strcmp(jobs[i].name, name)) return &jobs[i];
  return NULL;
}

struct job *make_job(const char *name) {
  struct job *job = find_job(name);
  if (job || job_count == MOST) return job;
  job = &jobs[job_count++];
  *job = (struct job){.name = strdup(name), .phase = ENDED, .restart = 'a'};
  open_log(&job->log, name);
  return job;
}

static void over(struct job *job) {
  job->pid = 0;
  if (under_systemd && runs_still(job)) return;
  job->phase = job->wanted && !ending ? WAITING : ENDED;
}

/* The runtime's own notes of it are taken away, so that it can be made again. */
static void clean(struct job *job) {
  char *argv[] = {RUNTIME, "delete", "--force", job->name, NULL};
  job->phase = CLEANING;
  job->deadline = now() + START_TIME;
  job->pid = ending ? 0 : start(argv, job->log.in);
  if (job->pid <= 0) over(job);
}

/* Not as it was told to, after so many seconds. */
void count_death(struct job *job, double ran) {
  job->fails = ran > CALM ? 1 : job->fails + 1;
}

static void died(struct job *job, int status) {
  double ran = now() - job->began;
  int code = result(status), finished = job->restart == 'n' || (job->restart == 'f' && !code);
  job->ready = job->answered = 0;
  forget_answers(job->answers);
  if (job->stopping || ending) {
    say("stopped %s", job->name);
    job->due = now();
  } else if (finished) {
    say("%s ended with %d after %.1f s", job->name, code, ran);
    job->wanted = 0;
  } else {
    count_death(job, ran);
    double delay = job->fails > 7 ? LONGEST : 0.5 * (1 << (job->fails - 1));
    job->due = now() + delay;
    say("%s ended with %d after %.1f s, again in %g s", job->name, code, ran, delay);
    if (job->fails >= LOOP_AT) say_tail(&job->log, 5);
  }
  if (job->again) job->again = 0, job->wanted = 1, job->fails = 0, job->due = now();
  job->stopping = 0;
  clean(job);
}

static void launch(struct job *job) {
  char bundle[256], pid_file[256];
  snprintf(bundle, sizeof bundle, RUN "/bundles/%s", job->name);
  snprintf(pid_file, sizeof pid_file, RUN "/pids/%s", job->name);
  folders(RUN "/pids", 0755);
  unlink(pid_file);
  if (job->layers && !job->root_made) job->root_made = make_root(job->name, job->layers);
  link_config(job->name, job->config);
  /* detached, so that there is no process for it but its own, whose parent is this one */
  char *argv[] = {RUNTIME, "--cgroup-manager=cgroupfs", "run", "--detach", "--pid-file", pid_file, "--bundle", bundle, job->name, NULL};
  job->starts++;
  job->began = now();
  job->deadline = now() + START_TIME;
  job->phase = STARTING;
  job->pid = start(argv, job->log.in);
  if (job->pid < 0) {
    say("%s cannot be started: %s", job->name, strerror(errno));
    died(job, 127 << 8);
  }
}

static void tell(struct job *job) {
  job->stopping = 1;
  job->deadline = now() + GRACE;
  kill(job->pid, SIGTERM);
}

/* The runtime has made it, or has not. */
static void made(struct job *job, int status) {
  char path[256], text[32];
  snprintf(path, sizeof path, RUN "/pids/%s", job->name);
  pid_t pid = status == 0 && read_text(path, text, sizeof text) ? atoi(text) : 0;
  if (pid <= 1) {
    say("%s cannot be started (%s: %d)", job->name, RUNTIME, result(status));
    if (job->fails < LOOP_AT - 1) say_tail(&job->log, 2);
    return died(job, status ? status : 1 << 8);
  }
  job->pid = pid;
  job->phase = RUNNING;
  say("started %s", job->name);
  for (int i = 0; i < MOST_STRAYS; i++)
    if (strays[i].pid == pid && strays[i].when >= job->began) return died(job, strays[i].status);
  if (!job->wanted || job->again) tell(job);
}

void job_ended(pid_t pid, int status) {
  for (int i = 0; i < job_count; i++) {
    struct job *job = &jobs[i];
    if (job->pid != pid) continue;
    if (job->phase == STARTING) made(job, status);
    else if (job->phase == RUNNING) died(job, status);
    else over(job);
    return;
  }
  strays[stray_next++ % MOST_STRAYS] = (struct stray){pid, status, now()};
}

void stop_job(struct job *job) {
  job->wanted = job->again = 0;
  if (under_systemd) return stop_unit(job);
  if (job->phase == WAITING) job->phase = ENDED;
  if (job->phase == RUNNING && !job->stopping) tell(job);
}

void restart_job(struct job *job) {
  job->fails = 0;
  job->due = now();
  if (under_systemd) return start_unit(job);
  if (job->phase == RUNNING || job->phase == STARTING) {
    job->again = 1;
    if (job->phase == RUNNING && !job->stopping) tell(job);
  } else {
    job->wanted = 1;
    if (job->phase == ENDED) job->phase = WAITING;
  }
}

int leans_on(const struct job *job, const struct job *other) {
  for (char **name = job->after; name && *name; name++)
    if (!strcmp(*name, other->name)) return 1;
  return 0;
}

/* Whether it holds for a container, or for one that it stands on and that is not ready, such as a session's display. */
static int holds_below(int (*holds)(const struct job *), const struct job *job, int depth) {
  if (holds(job)) return 1;
  for (char **name = job->after; name && *name && depth < 8; name++) {
    struct job *other = find_job(*name);
    if (other && !other->ready && holds_below(holds, other, depth + 1)) return 1;
  }
  return 0;
}

static int lacks_device(const struct job *job) {
  return job->bereft;
}

int is_bereft(const struct job *job) {
  return holds_below(lacks_device, job, 0);
}

static int has_no_turn(const struct job *job) {
  return job->phase == WAITING && !has_turn(job->name);
}

int waits_for_card(const struct job *job) {
  return holds_below(has_no_turn, job, 0);
}

/* Whether those that make the picture are ready, or none more has been for long: others would take the processor from them. */
int picture_there(void) {
  static double since;
  static int least = MOST + 1, there;
  int lacking = 0;
  for (int i = 0; i < job_count; i++) lacking += !jobs[i].later && jobs[i].phase != ENDED && !jobs[i].ready && !is_bereft(&jobs[i]);
  if (lacking < least) least = lacking, since = now();
  if (!lacking || now() - since > PICTURE_TIME) there = 1;
  return there;
}

int held_back(const struct job *job) {
  return job->later && job->phase == WAITING && !picture_there();
}

/* In how many seconds it must be looked at again. */
static double advance(struct job *job) {
  if (under_systemd) return advance_watched(job);
  double left = job->deadline - now();
  switch (job->phase) {
  case WAITING:
    if (ending) job->phase = ENDED;
    else if (held_back(job)) return 0.1;
    else if (job->due > now()) return job->due - now();
    else if (has_turn(job->name) && devices_there(job->name) && all_answer(job->sockets)) launch(job);
    else return now() - job->due < 30 ? 0.02 : 0.5;
    return 0.02;
  case RUNNING:
    if (!job->stopping) return NEVER;
    if (left > 0) return left;
    if (job->stopping == 1) say("%s does not end, it is killed", job->name);
    job->stopping = 2;
    kill(job->pid, SIGKILL);
    job->deadline = now() + GRACE;
    return GRACE;
  case STARTING:
  case CLEANING:
    if (left > 0) return left;
    say("%s: %s takes too long, it is killed", job->name, RUNTIME);
    kill(job->pid, SIGKILL);
    job->deadline = now() + GRACE;
    return GRACE;
  default:
    return NEVER;
  }
}

double advance_jobs(void) {
  double wait = NEVER;
  for (int i = 0; i < job_count; i++) {
    double own = advance(&jobs[i]);
    if (own < wait) wait = own;
  }
  return wait;
}

static int needed(const struct job *job) {
  for (int i = 0; i < job_count; i++)
    if (jobs[i].phase != ENDED && leans_on(&jobs[i], job)) return 1;
  return 0;
}

/* Who is needed by none that still runs is told to end; in how many seconds to look again, 0 once all have ended. */
double end_jobs(void) {
  static double began;
  int left = 0, others = 0;
  if (!began) began = now();
  for (int i = 0; i < job_count; i++) others += jobs[i].phase != ENDED && !keeps_logs(&jobs[i]);
  int late = now() - began > GRACE_OF_ALL;
  for (int i = 0; i < job_count; i++) {
    struct job *job = &jobs[i];
    if (job->phase == ENDED) continue;
    left++;
    if (late && job->pid > 0) kill(job->pid, SIGKILL);
    else if (!job->told && !needed(job) && !(others && keeps_logs(job))) job->told = 1, stop_job(job);
  }
  if (now() - began > GRACE_OF_ALL + 5) return 0;
  return left ? 0.1 : 0;
}
