/* /etc/machine/boot, which was resolved when the machine was built: lines, their fields parted by tabs.
 *
 *   version ID                    the first line: which system it is for
 *   host    NAME                  what the machine is called
 *   log     NAME SOCKET           before all containers: the module that is sent what all say
 *   layers  NAME ID:ID:...        the container's root file system, the topmost layer first
 *   ipc     NAME BYTES            an IPC namespace and a /dev/shm for it and those who join it
 *   volume  SOURCE NAME TARGET    a folder, owned and filled at first as TARGET in NAME's image is
 *   device  NAME FOLDER           what is in FOLDER is given to user 1000; NAME waits, not for ever, until something is
 *   news    NAME SPACE            NAME is told of devices, and tells those who are in the network namespace SPACE
 *   sticks  NAME FOLDER           NAME may ask for memory sticks to be mounted in FOLDER
 *   terminal NAME NUMBER KIND     a virtual terminal is given to NAME; those of the kind `draws` are started one after the other (or: text)
 *   settled NAME                  it is started once drivers have been loaded for what there is
 *   run     NAME RESTART SOCKET...  started once all of the sockets take connections; always, on-failure, never
 *   desktop NAME DESKTOP HOW      whose it is; `starts` with the machine, or `rests` until somebody goes to its terminal, or says so
 *   later   NAME                  started once all that are not called so are ready, or have had their time
 *   after   NAME OTHER...         ended before the others
 *   ready   NAME SOCKET...        its own sockets that answer when it is ready
 *   ask     NAME COMMAND...       must exit with 0 inside NAME when it is ready
 *   custody NAME                  it keeps the machine's data, and has a socket for that
 *   control NAME                  it has a socket at which PID 1 obeys it as it obeys root
 *   needs   FILE WORD TEXT WHOSE  what the kernel must have: a file (* for any name), or a folder that is not empty, with a word in it (or -)
 *   link    PORT SOCKET           a virtual machine's serial port, by its name, leads to a socket
 *
 * What it does not know, it says and passes over. What a medium has beside the machine that it is started from takes its place if it is for the
 * same system. Updates of single modules have lines of this kind too (update.h).
 */
#include "init.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Which system this is; 0 when it does not say. */
int system_version(char *version, size_t size) {
  int known = read_text(PLAN "/version", version, size);
  version[strcspn(version, "\n")] = 0;
  return known && *version && !strchr(version, '/');
}

const char *plan_path(void) {
  char version[128], first[160], wanted[160];
  if (!system_version(version, sizeof version)) return PLAN "/boot";
  snprintf(wanted, sizeof wanted, "version\t%s", version);
  if (!read_text(LIVE "/machine/boot", first, sizeof first)) return PLAN "/boot";
  first[strcspn(first, "\n")] = 0;
  return strcmp(first, wanted) ? PLAN "/boot" : LIVE "/machine/boot";
}

static char **words(char **fields, int count) {
  char **made = calloc(count + 1, sizeof *made);
  for (int i = 0; made && i < count; i++) made[i] = strdup(fields[i]);
  return made;
}

static int split(char *line, char **fields) {
  int count = 0;
  char *rest;
  for (char *word = strtok_r(line, "\t\n", &rest); word && count < FIELDS - 1; word = strtok_r(NULL, "\t\n", &rest)) fields[count++] = word;
  fields[count] = NULL;
  return count;
}

/* Whether a line is about a container, with what it says noted. */
static int describe(struct job *job, char **fields, int count) {
  const char *verb = fields[0];
  if (count < 3) return 0;
  if (!strcmp(verb, "layers")) {
    free(job->layers);
    job->layers = strdup(fields[2]);
  } else if (!strcmp(verb, "run")) {
    job->restart = fields[2][0] == 'o' ? 'f' : fields[2][0];
    job->sockets = words(fields + 3, count - 3);
  } else if (!strcmp(verb, "after")) {
    job->after = words(fields + 2, count - 2);
  } else if (!strcmp(verb, "ready")) {
    job->answers = words(fields + 2, count - 2);
  } else if (!strcmp(verb, "ask")) {
    job->asks = words(fields + 2, count - 2);
  } else if (!strcmp(verb, "look")) {
    job->looks = words(fields + 2, count - 2);
  } else {
    return 0;
  }
  return 1;
}

static int is_of(const struct job *job, char **fields, int count) {
  return count > 2 && !strcmp(fields[1], job->name);
}

/* One container anew, as the lines of a plan or an update say. What had been said of it before is forgotten, and not freed: that is little. */
void describe_job(struct job *job, const char *path, int of_update) {
  char *line = NULL, *fields[FIELDS];
  size_t size = 0;
  FILE *plan = fopen(path, "re");
  if (!plan) return say("%s cannot be read: %s", path, strerror(errno));
  job->answers = job->asks = job->looks = NULL;
  while (getline(&line, &size, plan) > 0) {
    int count = split(line, fields);
    if (count < 2 || (of_update && describe_update(job, fields, count))) continue;
    if (is_of(job, fields, count)) describe(job, fields, count);
  }
  fclose(plan);
  free(line);
}

/* Its root now, since volumes are filled from it; started as soon as it can be. */
static void note_job(struct job *job, const char *verb) {
  if (!strcmp(verb, "layers")) under_systemd ? know_source(job) : stand_on_best(job);
  if (strcmp(verb, "run")) return;
  job->phase = WAITING;
  job->wanted = 1;
  job->due = now();
}

static void start_later(const char *name) {
  struct job *job = find_job(name);
  if (job) job->later = 1;
}

static void obey(char *line, int at) {
  static const char *const about_jobs[] = {"layers", "run", "after", "ready", "ask", "look", NULL};
  char *fields[FIELDS];
  int count = split(line, fields);
  const char *verb = count ? fields[0] : "#";
  if (*verb == '#' || !strcmp(verb, "version")) return;
  for (int i = 0; about_jobs[i] && count > 2; i++) {
    if (strcmp(about_jobs[i], verb)) continue;
    struct job *job = make_job(fields[1]);
    if (job && describe(job, fields, count)) return note_job(job, verb);
    say("the boot plan has too many containers: %s is left out", fields[1]);
    return;
  }
  static const char *const done[] = {"host", "ipc", "volume", "log", NULL};
  for (int i = 0; under_systemd && done[i]; i++)
    if (!strcmp(done[i], verb)) return;
  if (!strcmp(verb, "host") && count == 2) name_host(fields[1]);
  else if (!strcmp(verb, "log") && count == 3) declare_keeper(fields[1], fields[2]);
  else if (!strcmp(verb, "ipc") && count == 3) make_ipc(fields[1], fields[2]);
  else if (!strcmp(verb, "volume") && count == 4) make_volume(fields[1], fields[2], fields[3]);
  else if (!strcmp(verb, "device") && count == 3) declare_device(fields[1], fields[2]);
  else if (!strcmp(verb, "settled") && count == 2) want_settled(fields[1]);
  else if (!strcmp(verb, "news") && count == 3) declare_news(fields[1], fields[2]);
  else if (!strcmp(verb, "sticks") && count == 3) declare_sticks(fields[1], fields[2]);
  else if (!strcmp(verb, "later") && count == 2) start_later(fields[1]);
  else if (!strcmp(verb, "desktop") && count == 4) declare_desktop(fields[1], fields[2], !strcmp(fields[3], "rests"));
  else if (!strcmp(verb, "custody") && count == 2) begin_custody(), open_keeping(); /* systemd starts who asks there when this program is its service */
  else if (!strcmp(verb, "control") && count == 2) open_commands(fields[1]);
  else if (!strcmp(verb, "needs") && count == 5) add_demand(fields + 1);
  else if (!strcmp(verb, "terminal") && count == 4) declare_terminal(fields[1], fields[2], fields[3]);
  else if (!strcmp(verb, "link") && count == 3) add_link(fields[1], fields[2]);
  else say("line %d of the boot plan is not understood: %s", at, verb);
}

void read_plan(void) {
  const char *path = plan_path();
  char *line = NULL;
  size_t size = 0;
  int at = 0;
  FILE *plan = fopen(path, "re");
  if (!plan) say("no boot plan: %s: %s", path, strerror(errno));
  if (strcmp(path, PLAN "/boot")) say("plan: %s", path);
  if (!under_systemd) drop_trials();
  while (plan && getline(&line, &size, plan) > 0) obey(line, ++at);
  if (plan) fclose(plan);
  free(line);
  describe_updated();
  keep_volumes();
}
