/* Whether containers do what they are there for: their sockets are asked from here, all else by a command inside. */
#include "init.h"
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LATE 60.0       /* after its start, then the console shows what it lacks */
#ifndef UNTIL_CALM
#define UNTIL_CALM 20.0 /* seconds after the last start, then those that run are asked though others do not start */
#endif

int machine_ready;
static int excuse_said;

static void is_ready(struct job *job) {
  job->ready = 1;
  job->ready_at = now();
  say("ready %s", job->name);
}

/* First it is asked what it says itself; then whether it is seen, by who has its screen. */
static int looks_next(const struct job *job) {
  return job->looks && (job->answered || !job->asks);
}

/* Whether nothing is left to be asked. Who was seen once need not be again where nothing can be seen. */
static int says_all(const struct job *job) {
  if (looks_next(job)) return job->drawn && is_hidden(job->looks[0]);
  return !job->asks;
}

static void ask(struct job *job) {
  int look = looks_next(job);
  char **command = look ? job->looks + 1 : job->asks;
  char id[128], *argv[FIELDS + 8] = {RUNTIME, "exec", "--user", "1000:1000", known_as(look ? job->looks[0] : job->name, id, sizeof id)};
  for (int i = 0; command[i] && i < FIELDS; i++) argv[i + 5] = command[i];
  job->asked_at = now();
  job->asker = start(argv, now() - job->began > LATE ? job->log.in : -1);
}

static int is_coming(const struct job *job) {
  return job->phase == WAITING && !job->starts && !held_back(job) && !is_bereft(job) && !waits_for_card(job);
}

/* Whether nobody is just being started: an answer takes its time from those. */
static int calm(void) {
  double last = 0;
  int moving = 0;
  for (int i = 0; i < job_count; i++) {
    if (jobs[i].phase == STARTING || is_coming(&jobs[i])) moving = 1;
    if (jobs[i].starts == 1 && jobs[i].began > last) last = jobs[i].began; /* not of those that die again and again */
  }
  return !moving || now() - last > UNTIL_CALM;
}

static void look_at_all(void) {
  char names[256] = "";
  double last = 0;
  int lacking = 0, there = 0;
  for (int i = 0; i < job_count; i++) {
    if (jobs[i].starts < 2 && jobs[i].began > last) last = jobs[i].began;
    if (jobs[i].ready) there++;
    if (jobs[i].ready || jobs[i].phase == ENDED) continue;
    lacking++;
    if (strlen(names) + strlen(jobs[i].name) + 2 < sizeof names) strcat(strcat(names, " "), jobs[i].name);
  }
  if (!lacking && there) {
    machine_ready = 1;
    write_text(RUN "/ready", "yes\n");
    say_terminals();
    say("desktop ready");
  } else if (!excuse_said && now() - last > 3 * UNTIL_CALM) {
    excuse_said = 1;
    say("not ready yet:%s", names);
    say_terminals();
  }
}

/* In how many seconds to look again. */
double advance_checks(void) {
  double wait = NEVER;
  int busy = 0;
  if (ending) return NEVER;
  for (int i = 0; i < job_count; i++) busy += jobs[i].asker > 0;
  for (int i = 0; i < 2 * job_count; i++) { /* those that make the picture first: others may wait for them with the card */
    struct job *job = &jobs[i % job_count];
    if (job->later != i / job_count) continue;
    if (job->phase != RUNNING || job->ready || job->stopping || job->asker > 0) continue;
    if (!all_answer(job->answers)) wait = 0.05;
    else if (says_all(job)) is_ready(job);
    else if (busy) continue;
    else if (looks_next(job) && is_hidden(job->looks[0])) wait = wait < 0.5 ? wait : 0.5; /* until somebody shows it */
    else if (now() < job->ask_due || !calm()) wait = 0.05;
    else ask(job), busy++; /* one after the other: each asks often, and must not take the time of those it waits for */
  }
  if (!machine_ready) {
    look_at_all();
    if (!excuse_said && wait > 5) wait = 5;
  }
  return wait;
}

int check_ended(pid_t pid, int status) {
  for (int i = 0; i < job_count; i++) {
    struct job *job = &jobs[i];
    if (job->asker != pid) continue;
    job->asker = 0;
    if (job->phase != RUNNING || job->asked_at < job->began) return 1; /* it answers for one that is no more */
    if (status == 0) {
      job->refusals = 0;
      if (looks_next(job)) job->drawn = 1;
      if (looks_next(job) || !job->looks) is_ready(job);
      else job->answered = 1;
    } else {
      double took = now() - job->asked_at, late = job->asked_at - job->began > LATE;
      if (late && job->refusals++ == 0) say("not ready: %s (%d)", job->name, result(status)), say_tail(&job->log, 1);
      /* an answer takes the time of those who work for it; who looks at a screen sleeps most of his */
      job->ask_due = now() + (late ? 5 : 0.2) + (job->answered || !job->asks ? 0 : 2 * took);
    }
    return 1;
  }
  return 0;
}
