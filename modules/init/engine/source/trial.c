/* An update of one container, tried while all others run: it and who depends on it are ended, started from the new layers, and the update is
 * kept once the container is ready. What does not get ready in its time goes back to what it was, by itself. One at a time. */
#include "init.h"
#include "update.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FAILED_AT 3    /* deaths on trial */
#define GIVEN_UP_AT 5  /* deaths in a row of one that was kept before */
#define LOOK 0.05      /* seconds */
#define LOOK_AGAIN 1.0
#define STEADY 2.0     /* seconds that it must stay ready */

enum step { IDLE, ENDING, PREPARING, JUDGING, KEEPING };

static struct {
  struct job *job;
  enum step step;
  enum source former, next;
  double until, steady;
  pid_t keeper;
} change;
static pid_t tidier;
static double patience;

/* Whether it is not yet known what it will run from. */
int changes(const struct job *job) {
  return change.step != IDLE && change.job == job;
}

/* Who is ended and started again: the container and those that run and depend on it, however far. */
static void choose_moving(struct job *first) {
  int more = 1;
  for (int i = 0; i < job_count; i++) jobs[i].moving = &jobs[i] == first;
  while (more) {
    more = 0;
    for (int i = 0; i < job_count; i++)
      for (int k = 0; k < job_count && !jobs[i].moving; k++)
        if (jobs[k].moving && leans_on(&jobs[i], &jobs[k]) && jobs[i].wanted) jobs[i].moving = more = 1;
  }
}

static void begin(struct job *job, enum source next) {
  change.job = job;
  change.next = next;
  change.step = ENDING;
  choose_moving(job);
}

static int needed_by_moving(const struct job *job) {
  for (int i = 0; i < job_count; i++)
    if (jobs[i].moving && jobs[i].phase != ENDED && &jobs[i] != job && leans_on(&jobs[i], job)) return 1;
  return 0;
}

/* Whether all that are to be ended have. */
static int all_ended(void) {
  int left = 0;
  for (int i = 0; i < job_count; i++) {
    if (!jobs[i].moving || jobs[i].phase == ENDED) continue;
    left++;
    if (!needed_by_moving(&jobs[i])) stop_job(&jobs[i]);
  }
  return !left;
}

static void forget(struct job *job, enum source from) {
  pid_t pid = branch("updates");
  if (pid == 0) _exit(forget_record(job->name, from) != 0);
}

static void go_back(const char *why) {
  say("the update of %s %s: the former one is taken", change.job->name, why);
  change.job->verdict = "failed";
  forget(change.job, TRIED);
  begin(change.job, change.former);
}

static void start_moving(void) {
  for (int i = 0; i < job_count; i++)
    if (jobs[i].moving) restart_job(&jobs[i]);
  for (int i = 0; i < job_count; i++) jobs[i].moving = 0;
  change.step = change.next == TRIED ? JUDGING : IDLE;
  change.until = now() + change.job->within;
  change.steady = 0;
}

static void start_all(void) {
  struct job *job = change.job;
  int there = stand_on(job, change.next);
  if (!there && change.next == TRIED) {
    say("the update of %s cannot be had: the former one is taken", job->name);
    job->verdict = "failed";
    forget(job, TRIED);
    change.next = change.former;
    there = stand_on(job, change.former);
  }
  if (!there && change.next == UPDATED) stand_on(job, change.next = SHIPPED);
  release_layers();
  change.keeper = under_systemd ? read_units() : 0;
  change.step = PREPARING;
  if (change.keeper <= 0) start_moving();
}

static void judge(void) {
  struct job *job = change.job;
  if (!job->ready) change.steady = 0;
  if (job->ready && !change.steady) change.steady = now() + STEADY;
  if (job->ready) {
    if (now() < change.steady) return;
    change.step = KEEPING;
    change.keeper = branch("updates");
    if (change.keeper == 0) _exit(keep_record(job->name) != 0);
  } else if (job->fails >= FAILED_AT || job->phase == ENDED) {
    say_tail(&job->log, 5);
    go_back("does not stay alive");
  } else if (now() > change.until) {
    say_tail(&job->log, 5);
    go_back("is not ready in its time");
  }
}

int change_helper_ended(pid_t pid, int status) {
  if (pid == tidier) tidier = 0;
  if (pid != change.keeper || (change.step != KEEPING && change.step != PREPARING)) return 0;
  change.keeper = 0;
  if (change.step == PREPARING && status && change.next == TRIED) return go_back("has no unit"), 1;
  if (change.step == PREPARING) return start_moving(), 1;
  change.step = IDLE;
  if (status) return go_back("cannot be kept"), 1;
  change.job->from = UPDATED;
  change.job->verdict = NULL;
  say("the update of %s is kept: it is ready", change.job->name);
  return 1;
}

/* One that was kept before, and does not do what it did then: until the next start the system's own is taken. */
static double look_at_kept(void) {
  double wait = NEVER;
  for (int i = 0; i < job_count && change.step == IDLE; i++) {
    struct job *job = &jobs[i];
    if (job->from != UPDATED) continue;
    if (job->ready) job->was_ready = 1;
    if (!job->was_ready) wait = LOOK_AGAIN;
    int late = !job->was_ready && job->phase == RUNNING && now() - job->began > patience;
    const char *why = job->damaged ? "is damaged" : job->fails >= GIVEN_UP_AT ? "does not stay alive" : late ? "is not ready" : NULL;
    if (!why) continue;
    say("%s, as its update has it, %s: until the next start the system's own is taken", job->name, why);
    job->verdict = "back";
    job->damaged = 0;
    change.former = SHIPPED;
    begin(job, SHIPPED);
    wait = LOOK;
  }
  return wait;
}

/* In how many seconds to look again. */
double advance_changes(void) {
  if (ending) return NEVER;
  if (change.step == ENDING && all_ended()) start_all();
  if (change.step == JUDGING) judge();
  if (change.step == IDLE) return look_at_kept();
  return change.step == KEEPING || change.step == PREPARING ? NEVER : LOOK;
}

/* Why not; NULL when it is under way. */
const char *try_update(struct job *job) {
  char path[256];
  if (change.step != IDLE) return "another update is under way";
  if (!record_path(job->name, TRIED, path, sizeof path) || access(path, F_OK)) return "nothing was proposed for it";
  change.former = job->from;
  job->verdict = NULL;
  say("an update of %s is on trial", job->name);
  begin(job, TRIED);
  return NULL;
}

/* Back to what the system came with. */
const char *undo_update(struct job *job) {
  char path[256];
  if (change.step != IDLE) return "another update is under way";
  if (!record_path(job->name, UPDATED, path, sizeof path) || access(path, F_OK)) return "it has no update";
  say("the update of %s is taken back", job->name);
  forget(job, UPDATED);
  job->verdict = NULL;
  if (job->from != SHIPPED) begin(job, SHIPPED);
  return NULL;
}

/* A block of a layer is not what it was. */
void layer_damaged(const char *id, const char *block) {
  say("DAMAGED: the layer %s of an update (block %s); what cannot be trusted is not read", id, block);
  for (int i = 0; i < job_count; i++)
    if (jobs[i].layers && strstr(jobs[i].layers, id)) jobs[i].damaged = 1;
}

/* Under systemd, where this program may have ended in the midst of a trial. */
static void take_trials_back(void) {
  char path[256];
  for (int i = 0; i < job_count && change.step == IDLE; i++) {
    if (!record_path(jobs[i].name, TRIED, path, sizeof path) || access(path, F_OK)) continue;
    change.job = &jobs[i];
    change.former = record_path(jobs[i].name, UPDATED, path, sizeof path) && !access(path, F_OK) ? UPDATED : SHIPPED;
    go_back("was not judged");
  }
}

/* Once, when it is known what there is. */
void begin_updates(void) {
  char seconds[32];
  patience = argument("try", seconds, sizeof seconds) ? atof(seconds) : 300;
  tidier = branch("updates");
  if (tidier == 0) {
    tidy_updates(!own_slot());
    _exit(0);
  }
  if (under_systemd) take_trials_back();
}
