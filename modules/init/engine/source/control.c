/* Commands for the machine, a line each, at a socket that only root can reach: status, processes, start NAME, stop NAME, restart NAME, log NAME,
 * act NAME COMMAND... (in that container, as its user), terminals, show NAME (its terminal), try NAME and undo NAME (an update of it: trial.c),
 * sticks, eject STICK, poweroff, reboot, and the verbs of slots (receive.c), of updates (update_files.c) and of disks (disks.c). Who keeps the
 * machine's data (keep.c) has a socket of its own, for a few of them and four more: still NAME... (those stand still until go, the end of the line, or two
 * minutes), go, take, and place (place.c). Words are parted by tabs, or by spaces where there is no tab. The last line of an answer is "ok", or begins with
 * "error". */
#include "init.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET RUN "/control"
#define KEEPING RUN "/keeping"
#define MOST_CLIENTS 16
#define OWED_AGAIN 0.1 /* seconds */
#define NO_ERROR NULL

static struct client {
  int file; /* 0: nobody */
  pid_t acting;
  int apart; /* that process alone reads what comes */
  int keeps; /* it came by the socket of who keeps the machine's data */
  size_t used, owed;
  char line[4096], mark[64], last[1024]; /* last: the end of an answer that there was no room for yet, `owed` bytes */
} clients[MOST_CLIENTS];

static void answer(int file, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void answer(int file, const char *format, ...) {
  char text[2048];
  va_list values;
  va_start(values, format);
  int length = vsnprintf(text, sizeof text, format, values);
  va_end(values);
  if (length > (int)sizeof text) length = sizeof text;
  send(file, text, length, MSG_DONTWAIT | MSG_NOSIGNAL); /* who does not read does not get it */
}

/* It is still to be said to who has not read what a container told him before. */
static void pay(struct client *client) {
  if (send(client->file, client->last, client->owed, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN) return;
  client->owed = 0;
}

/* The last line of an answer: nothing for "ok", or why not. */
static void conclude(struct client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void conclude(struct client *client, const char *format, ...) {
  char text[896] = "ok";
  va_list values;
  va_start(values, format);
  if (format) vsnprintf(text, sizeof text, format, values);
  va_end(values);
  client->owed = snprintf(client->last, sizeof client->last, "%s%s%s\n", client->mark, format ? "error " : "", text);
  *client->mark = 0;
  pay(client);
}

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

static void answer_why_not(struct client *client, const char *why) {
  if (why) conclude(client, "%s", why);
  else conclude(client, NO_ERROR);
}

/* The command's own output is the answer. */
static void act(struct client *client, char **words) {
  char *argv[FIELDS + 8] = {runtime(), "exec", "--user", "1000:1000"};
  for (int i = 0; words[i]; i++) argv[i + 4] = words[i];
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

static void leave_to_systemd(struct client *client, char **words) {
  client->acting = start(words, client->file);
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

static void obey(struct client *client, char *line) {
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
  struct job *job = count > 1 ? find_job(words[1]) : NULL;
  for (int i = 0; of_jobs[i]; i++)
    if (!strcmp(verb, of_jobs[i]) && !job) return conclude(client, "there is no container %s", count > 1 ? words[1] : "without a name");
  if (!strcmp(verb, "act") && job->phase != RUNNING) return conclude(client, "%s does not run", job->name);
  if (!strcmp(verb, "act")) return act(client, words + 1);
  char **by_systemd = under_systemd ? systemd_words(verb, job ? job->name : NULL) : NULL;
  if (by_systemd && job) job->wanted = strcmp(verb, "stop") != 0;
  if (by_systemd) return leave_to_systemd(client, by_systemd);
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
  else if (!strcmp(verb, "log")) show_log(file, job);
  else if (!strcmp(verb, "poweroff")) end_machine(RB_POWER_OFF, "asked to power off");
  else if (!strcmp(verb, "reboot")) end_machine(RB_AUTOBOOT, "asked to start again");
  else return conclude(client, "unknown: %s", verb);
  conclude(client, NO_ERROR);
}

static void leave(struct client *client) {
  go_on(client, "who asked has left");
  unwatch(client->file);
  close(client->file);
  client->file = client->owed = 0;
}

/* One command after the other. */
static void obey_all(struct client *client) {
  for (char *end; client->file && !client->acting && !client->owed && (end = memchr(client->line, '\n', client->used));) {
    size_t length = end + 1 - client->line;
    *end = 0;
    obey(client, client->line);
    client->used -= length;
    memmove(client->line, end + 1, client->used);
  }
}

/* In how many seconds to try again to say what is owed. */
double advance_answers(void) {
  double wait = NEVER;
  for (int i = 0; i < MOST_CLIENTS; i++) {
    struct client *client = &clients[i];
    if (!client->file || !client->owed) continue;
    pay(client);
    if (client->owed) wait = OWED_AGAIN;
    else obey_all(client);
  }
  return wait;
}

static void on_line(int file, void *what) {
  struct client *client = what;
  ssize_t got = recv(file, client->line + client->used, sizeof client->line - client->used, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return leave(client);
  client->used += got;
  obey_all(client);
  if (client->used == sizeof client->line) leave(client);
}

int act_ended(pid_t pid, int status) {
  for (int i = 0; i < MOST_CLIENTS; i++) {
    struct client *client = &clients[i];
    if (client->acting != pid) continue;
    client->acting = 0;
    int apart = client->apart;
    client->apart = 0;
    if (!client->file) return 1; /* has left */
    if (apart) watch(client->file, on_line, client);
    if (status) conclude(client, "it ended with %d", result(status));
    if (status && apart) return leave(client), 1; /* what it was going to read is no command */
    if (!status) conclude(client, NO_ERROR);
    obey_all(client);
    return 1;
  }
  return 0;
}

static void on_client(int door, void *what) {
  int at = 0, file = accept4(door, NULL, NULL, SOCK_CLOEXEC);
  while (at < MOST_CLIENTS && (clients[at].file || clients[at].acting)) at++;
  if (file < 0) return;
  if (at == MOST_CLIENTS) {
    close(file);
    return;
  }
  clients[at] = (struct client){.file = file, .keeps = what != NULL};
  watch(file, on_line, &clients[at]);
}

static void open_door(const char *path, void *what) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  unlink(path);
  mode_t before = umask(0177);
  int failed = door < 0 || bind(door, (struct sockaddr *)&address, sizeof address) || listen(door, 16);
  umask(before);
  if (!failed && what) failed = chown(path, USER, USER);
  if (failed) return say("no commands are taken at %s: %s", path, strerror(errno));
  watch(door, on_client, what);
}

void open_control(void) {
  folders(RUN, 0755);
  open_door(SOCKET, NULL);
}

/* In a folder of its own, which is mounted into the one container that may have it. */
void open_keeping(void) {
  folders(KEEPING, 0755);
  open_door(KEEPING "/control", KEEPING);
}
