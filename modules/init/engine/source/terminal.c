/* Virtual terminals: which module has which, and whose is seen. Who draws on the graphics card takes it from the others as it starts, by
 * bringing its terminal to the front; so they are started one after the other, and then the first of the plan is seen. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/tiocl.h>
#include <linux/vt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONSOLE "/dev/tty0" /* that which is seen */
#ifndef TURN
#define TURN 90.0    /* seconds of rest, then who is still not ready keeps the others from starting no longer */
#endif
#ifndef UPTIME
#define UPTIME "/proc/uptime"
#endif
#define LONGEST 900.0 /* seconds of a turn, or of waiting for one, however busy all are */
#define LOOK 1.0

static struct terminal {
  char *job;
  int number, draws, had_another; /* turn */
  double began, rest_before;      /* its turn: when, and how long the computer had rested until then */
} terminals[MOST];
static int terminal_count, first_shown;

static int on_console(unsigned long what, void *value) {
  int file = open(CONSOLE, O_RDWR | O_NOCTTY | O_CLOEXEC), failed = file < 0 || ioctl(file, what, value), why = errno;
  if (file >= 0) close(file);
  errno = why;
  return failed ? -1 : 0;
}

/* What the machine says stays on the first terminal, and does not go to that which is seen. */
static void settle_messages(void) {
  char words[] = {TIOCL_SETKMSGREDIRECT, 1};
  on_console(TIOCLINUX, words);
}

void declare_terminal(const char *job, const char *number, const char *kind) {
  char path[32];
  if (terminal_count == MOST || atoi(number) < 1) return;
  if (!terminal_count) settle_messages();
  terminals[terminal_count++] = (struct terminal){.job = strdup(job), .number = atoi(number), .draws = !strcmp(kind, "draws")};
  snprintf(path, sizeof path, "/dev/tty%d", atoi(number));
  if (chown(path, USER, USER) || chmod(path, 0600)) say("%s cannot be given to %s: %s", path, job, strerror(errno));
}

static struct terminal *find_terminal(const char *job) {
  for (int i = 0; i < terminal_count; i++)
    if (!strcmp(terminals[i].job, job)) return &terminals[i];
  return NULL;
}

/* Whether somebody has still to be drawn on a display: that is not seen while another display has the card. */
static int is_drawn_on(const char *display) {
  for (int i = 0; i < job_count; i++)
    if (jobs[i].looks && !strcmp(jobs[i].looks[0], display) && jobs[i].wanted && !jobs[i].ready) return 1;
  return 0;
}

/* Seconds since power-on in which the processors had nothing to do. A turn that ended by the clock would be too short where they are so
 * busy that a display takes minutes to come up, and two that take the card at once may both be left without a keyboard. */
static double rest(void) {
  double idle = 0;
  char text[64];
  if (!read_text(UPTIME, text, sizeof text) || sscanf(text, "%*f %lf", &idle) != 1) return now();
  return idle / sysconf(_SC_NPROCESSORS_ONLN);
}

/* Whether there is time left in its turn, which began as it was started, and again as it had come up. */
static int turn_lasts(struct terminal *terminal, const struct job *job) {
  double began = job->ready ? job->ready_at : job->began;
  if (terminal->began != began) terminal->began = began, terminal->rest_before = rest();
  return rest() - terminal->rest_before < TURN && now() - began < LONGEST;
}

/* Whether it is just taking the card, or has it for those who have never been seen. */
static int takes_card(struct terminal *terminal) {
  struct job *job = find_job(terminal->job);
  if (!job || job->phase == STARTING) return job != NULL;
  return job->phase == RUNNING && (!job->ready || is_drawn_on(job->name)) && turn_lasts(terminal, job);
}

/* Whether it has still to be started by systemd, which it is for some time at most. */
static int is_awaited(const struct terminal *terminal) {
  struct job *job = find_job(terminal->job);
  return under_systemd && job && job->wanted && !job->starts && rest() < 2 * TURN && now() < LONGEST;
}

/* Whether a container may be started, as far as the card is concerned. */
int has_turn(const char *name) {
  struct terminal *own = find_terminal(name);
  for (int i = 0; own && own->draws && i < terminal_count; i++)
    if (&terminals[i] != own && terminals[i].draws && (takes_card(&terminals[i]) || (&terminals[i] < own && is_awaited(&terminals[i])))) return 0;
  return 1;
}

/* Whether a display shows nothing, as another has the card. Asked of the kernel where it takes no lock: the console's is held for as long as
 * somebody writes to it, or while the screen goes from one to another. */
static int seen_number(void) {
  char active[16] = "";
  if (access(CONSOLE, F_OK) || !read_text("/sys/class/tty/tty0/active", active, sizeof active) || strlen(active) < 4) return 0;
  return atoi(active + 3);
}

int is_hidden(const char *display) {
  struct terminal *own = find_terminal(display);
  int seen = seen_number();
  return own && seen && seen != own->number;
}

/* The terminal of a container comes to the front, once who is there has let go of the card; 0 when it cannot. */
int show_terminal(const char *name) {
  struct terminal *terminal = find_terminal(name);
  if (!terminal) return errno = ESRCH, 0;
  return on_console(VT_ACTIVATE, (void *)(long)terminal->number) == 0;
}

void each_terminal(void (*tell)(int file, const char *name, int number, int draws, int seen), int file) {
  struct vt_stat state = {0};
  on_console(VT_GETSTATE, &state);
  for (int i = 0; i < terminal_count; i++)
    tell(file, terminals[i].job, terminals[i].number, terminals[i].draws, terminals[i].number == state.v_active);
}

/* Whom a key brings to the front; a person at a screen that is drawn cannot know it. Names without whose they are. */
void say_terminals(void) {
  char names[512] = "";
  for (int i = 0; i < terminal_count; i++) {
    const char *dot = strchr(terminals[i].job, '.'), *second = dot ? strchr(dot + 1, '.') : NULL;
    size_t used = strlen(names);
    if (terminals[i].draws) continue;
    snprintf(names + used, sizeof names - used, "%s Ctrl-Alt-F%d %s", used ? "," : "", terminals[i].number, second ? second + 1 : terminals[i].job);
  }
  if (*names) say("at the keyboard:%s", names);
}

/* The card once more for one that has come up and on which, in its time, not all was drawn: the computer is slow. */
static int give_another_turn(struct terminal *terminal) {
  struct job *job = find_job(terminal->job);
  if (!terminal->draws || terminal->had_another || !job || job->phase != RUNNING || !job->ready || !is_drawn_on(job->name)) return 0;
  terminal->had_another = 1;
  job->ready_at = now();
  return show_terminal(job->name);
}

/* Who goes to the terminal of a desktop that rests wants to see it. One that was ended while it was seen stays so until somebody comes again. */
static double look_for_resting(void) {
  static int last;
  int seen = seen_number(), any = 0;
  for (int i = 0; i < terminal_count; i++) {
    struct job *job = terminals[i].draws ? find_job(terminals[i].job) : NULL;
    if (!job || !job->rests) continue;
    any = 1;
    if (seen != last && terminals[i].number == seen && job->phase == ENDED) start_desktop(job->desktop);
  }
  last = seen;
  return any ? LOOK : NEVER;
}

/* Once all that draw have come up, or had their time, the first is seen. In how many seconds to look again. */
static double show_first(void) {
  const char *first = NULL;
  int others = 0;
  if (first_shown) return NEVER;
  for (int i = 0; i < terminal_count; i++) {
    struct job *job = terminals[i].draws ? find_job(terminals[i].job) : NULL;
    if (!job || (job->rests && job->phase == ENDED)) continue;
    if (first) others++;
    else first = job->name;
    if (takes_card(&terminals[i]) || (job->phase == WAITING && !job->starts)) return LOOK;
  }
  for (int i = 0; others && i < terminal_count; i++)
    if (give_another_turn(&terminals[i])) return LOOK;
  first_shown = 1;
  if (others && !show_terminal(first)) say("%s cannot be shown: %s", first, strerror(errno));
  return NEVER;
}

double advance_terminals(void) {
  if (ending) return NEVER;
  double first = show_first(), resting = look_for_resting();
  return first < resting ? first : resting;
}
