/* Commands for the machine: status, processes, start NAME, stop NAME, restart NAME, log NAME, act NAME COMMAND... (in that container, as its
 * user), desktops, begin DESKTOP, end DESKTOP, terminals, show NAME (its terminal), try NAME and undo NAME (an update of it: trial.c), sticks, eject STICK, poweroff, reboot, and the
 * verbs of slots (receive.c), of updates (update_files.c) and of disks (disks.c). For who keeps the machine's data (keep.c) there are a few of
 * them and four more: still NAME... (those stand still until go, the end of the line, or two minutes), go, take, and place (place.c). Words are
 * parted by tabs, or by spaces where there is no tab. The last line of an answer is "ok", or begins with "error". */
#include "init.h"
#include "client.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>

static void status(int file) {
  static const char *const phases[] = {"waiting", "starting", "running", "cleaning", "ended"};
  answer(file, "machine\t%s\t%.2f\t%s\n", ending ? "ending" : machine_ready ? "ready" : "starting", now(), state_kept ? "kept" : "memory");
  for (int i = 0; i < job_count; i++) {
    struct job *job = &jobs[i];
    answer(file, "%s\t%s\t%s\t%d\t%d\n", job->name, phases[job->phase], job->ready ? "ready" : "-", job->starts, (int)job->pid);
  }
}

static void show_log(int file, struct job *job) {
  static char text[32768];
  size_t length = read_log(&job->log, text, sizeof text - 1);
  if (length && text[length - 1] != '\n') text[length++] = '\n';
  send(file, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void tell_process(int file, const char *pid, const char *container, const char *program) {
  answer(file, "%s\t%s\t%s\n", pid, container, program);
}

static void tell_terminal(int file, const char *container, int number, int draws, int seen) {
  answer(file, "%s\t%d\t%s\t%s\n", container, number, draws ? "draws" : "text", seen ? "seen" : "-");
}

/* It is seen once who is there now has let go of the card; nobody waits for that here. */
static void show(struct client *client, struct job *job) {
  if (show_terminal(job->name)) conclude(client, NO_ERROR);
  else conclude(client, "%s cannot be shown: %s", job->name, errno == ESRCH ? "it has no terminal" : strerror(errno));
}

static void tell_desktop(int file, const char *name, const char *state) {
  answer(file, "%s\t%s\n", name, state);
}

/* Verbs of whole desktops; whether it was one. */
static int obey_of_desktops(struct client *client, const char *verb, const char *name) {
  int (*change)(const char *) = !strcmp(verb, "begin") ? start_desktop : !strcmp(verb, "end") ? stop_desktop : NULL;
  if (!strcmp(verb, "desktops")) each_desktop(tell_desktop, client->file);
  else if (!change) return 0;
  else if (!name || !change(name)) return conclude(client, "there is no desktop %s", name ? name : "without a name"), 1;
  conclude(client, NO_ERROR);
  return 1;
}

static void answer_why_not(struct client *client, const char *why) {
  if (why) conclude(client, "%s", why);
  else conclude(client, NO_ERROR);
}

/* The command's own output is the answer. */
static void act(struct client *client, char **words) {
  char id[128], *argv[FIELDS + 8] = {RUNTIME, "exec", "--user", "1000:1000", known_as(words[0], id, sizeof id)};
  for (int i = 1; words[i]; i++) argv[i + 4] = words[i];
  client->acting = start(argv, client->file);
  if (client->acting < 0) conclude(client, "cannot start: %s", strerror(errno));
}

static void tell_stick(int file, const char *node, const char *name, const char *kind, const char *state) {
  answer(file, "%s\t%s\t%s\t%s\n", name, node, kind, state);
}

/* The answer comes when all that was written to it is on it. */
static void eject(struct client *client, const char *name) {
  client->acting = eject_stick(name);
  if (!client->acting) conclude(client, "no memory stick %s is mounted", name);
}

static void leave_to_journal(struct client *client, const struct job *job) {
  client->acting = start(log_words(job->name), client->file);
  if (client->acting < 0) conclude(client, "cannot start: %s", strerror(errno));
}

/* A process of its own talks to this client until it ends. */
static void leave_apart(struct client *client, char **words) {
  client->acting = serve_apart(client->file, words);
  client->apart = client->acting > 0;
  if (client->apart) return unwatch(client->file);
  client->acting = 0;
  conclude(client, "cannot start: %s", strerror(errno));
}

static void let_stand_still(struct client *client, char **names) {
  static struct job *wanted[FIELDS];
  int count = 0;
  for (; names[count]; count++)
    if (!(wanted[count] = find_job(names[count]))) return conclude(client, "there is no container %s", names[count]);
  wanted[count] = NULL;
  client->acting = stand_still(client, wanted);
  if (client->acting > 0) return;
  client->acting = 0;
  conclude(client, "they cannot stand still: %s", strerror(errno));
}

/* Verbs that are only for who keeps the data; whether it was one. */
static int obey_keeper(struct client *client, char **words) {
  if (!strcmp(words[0], "still")) return let_stand_still(client, words + 1), 1;
  if (strcmp(words[0], "go") && strcmp(words[0], "take") && strcmp(words[0], "place")) return 0;
  if (!strcmp(words[0], "go")) go_on(client, NO_ERROR);
  else if (!strcmp(words[0], "place")) return answer_why_not(client, place_laid() ? strerror(errno) : NULL), 1;
  else if (take_laid()) return conclude(client, "not all could be replaced: %s", strerror(errno)), 1;
  conclude(client, NO_ERROR);
  return 1;
}

static int is_for_keepers(const char *verb) {
  static const char *const verbs[] = {"status", "start", "stop", "restart", NULL};
  for (int i = 0; verbs[i]; i++)
    if (!strcmp(verb, verbs[i])) return 1;
  return 0;
}

void obey(struct client *client, char *line) {
  static const char *const of_jobs[] = {"start", "stop", "restart", "log", "act", "show", "try", "undo", NULL};
  char *words[FIELDS] = {NULL}, *rest;
  const char *between = strchr(line, '\t') ? "\t\r" : " \r";
  int count = 0, file = client->file;
  for (char *word = strtok_r(line, between, &rest); word && count < FIELDS - 1; word = strtok_r(NULL, between, &rest)) words[count++] = word;
  if (count && !strncmp(words[0], "end=", 4)) {
    snprintf(client->mark, sizeof client->mark, "%s", words[0] + 4);
    memmove(words, words + 1, count-- * sizeof *words);
  }
  if (!count) return;
  const char *verb = words[0];
  if (client->keeps && obey_keeper(client, words)) return;
  if (client->keeps && !is_for_keepers(verb)) return conclude(client, "not by this socket: %s", verb);
  if (is_apart(verb)) return leave_apart(client, words);
  if (obey_of_desktops(client, verb, words[1])) return;
  struct job *job = count > 1 ? find_job(words[1]) : NULL;
  for (int i = 0; of_jobs[i]; i++)
    if (!strcmp(verb, of_jobs[i]) && !job) return conclude(client, "there is no container %s", count > 1 ? words[1] : "without a name");
  if (!strcmp(verb, "act") && job->phase != RUNNING) return conclude(client, "%s does not run", job->name);
  if (!strcmp(verb, "act")) return act(client, words + 1);
  if (!strcmp(verb, "status")) status(file);
  else if (!strcmp(verb, "processes")) each_process(tell_process, file);
  else if (!strcmp(verb, "terminals")) each_terminal(tell_terminal, file);
  else if (!strcmp(verb, "sticks")) each_stick(tell_stick, file);
  else if (!strcmp(verb, "eject")) return eject(client, count > 1 ? words[1] : "without a name");
  else if (!strcmp(verb, "show")) return show(client, job);
  else if (!strcmp(verb, "try")) return answer_why_not(client, try_update(job));
  else if (!strcmp(verb, "undo")) return answer_why_not(client, undo_update(job));
  else if (!strcmp(verb, "start") && job->phase != RUNNING) restart_job(job);
  else if (!strcmp(verb, "start")) ; /* it does */
  else if (!strcmp(verb, "stop")) stop_job(job);
  else if (!strcmp(verb, "restart")) restart_job(job);
  else if (!strcmp(verb, "log") && under_systemd) return leave_to_journal(client, job);
  else if (!strcmp(verb, "log")) show_log(file, job);
  else if (!strcmp(verb, "poweroff")) end_machine(RB_POWER_OFF, "asked to power off");
  else if (!strcmp(verb, "reboot")) end_machine(RB_AUTOBOOT, "asked to start again");
  else return conclude(client, "unknown: %s", verb);
  conclude(client, NO_ERROR);
}
