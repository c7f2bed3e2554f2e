/* How a container is started: as the system came with it, or as an update of its module on the state's disk says (update.h). */
#include "init.h"
#include "update.h"
#include "sha256.h"
#include "transfer.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGEST 65536 /* bytes of a record */
#define MOST_SEALED 512
#define WITHIN 120 /* seconds, where a record says nothing */

static struct sealed {
  char *id, *sum, *told;
} sealed[MOST_SEALED];
static int sealed_count;

int record_path(const char *name, enum source from, char *path, size_t size) {
  char version[128];
  if (!system_version(version, sizeof version) || strchr(name, '/')) return 0;
  return snprintf(path, size, UPDATES "/%s/%s.%s", version, name, from == TRIED ? "trial" : "kept") < (int)size;
}

/* Whether it is whole, and meant for this container of this system. */
int record_is_right(const char *path, const char *name) {
  static char text[LARGEST];
  char version[128], first[300], sum[65];
  struct sha256 made;
  size_t length = read_text(path, text, sizeof text) ? strlen(text) : 0;
  char *last = length ? strrchr(text, '\n') : NULL;
  if (!last || strncmp(last + 1, "sum\t", 4) || !system_version(version, sizeof version)) return 0;
  int used = snprintf(first, sizeof first, "update\t%s\t%s\n", name, version);
  sha256_begin(&made);
  sha256_add(&made, (unsigned char *)text, last + 1 - text);
  sha256_text(&made, sum);
  return !strcmp(last + 5, sum) && !strncmp(text, first, used);
}

int file_sum(const char *path, char sum[65]) {
  static unsigned char bytes[65536];
  struct sha256 made;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = -1;
  sha256_begin(&made);
  while (file >= 0 && (got = read(file, bytes, sizeof bytes)) > 0) sha256_add(&made, bytes, got);
  if (file >= 0) close(file);
  sha256_text(&made, sum);
  return got == 0;
}

static void know_layer(char **fields) {
  int at = 0;
  while (at < sealed_count && strcmp(sealed[at].id, fields[1])) at++;
  if (at == MOST_SEALED || !is_sum(fields[2])) return;
  if (at < sealed_count) free(sealed[at].id), free(sealed[at].sum), free(sealed[at].told);
  else sealed_count++;
  sealed[at] = (struct sealed){strdup(fields[1]), strdup(fields[2]), strdup(fields[3])};
}

/* Where the file of a layer lies, its sum, and what its blocks are checked by; 0 when no record spoke of it. */
int sealed_layer(const char *id, char *path, size_t size, const char **sum, const char **told) {
  for (int i = 0; i < sealed_count; i++) {
    if (strcmp(sealed[i].id, id)) continue;
    snprintf(path, size, FILES "/%s", sealed[i].sum);
    *sum = sealed[i].sum;
    *told = sealed[i].told;
    return 1;
  }
  return 0;
}

/* A line that only records have. Whether it is one. */
int describe_update(struct job *job, char **fields, int count) {
  if (!strcmp(fields[0], "layer") && count == 4) know_layer(fields);
  else if (!strcmp(fields[0], "within") && count == 2) job->within = atof(fields[1]);
  else if (!strcmp(fields[0], "config") && count == 2 && is_sum(fields[1])) snprintf(job->config, sizeof job->config, FILES "/%s", fields[1]);
  else if (!strcmp(fields[0], "filter") && count == 2 && is_sum(fields[1])) snprintf(job->filter, sizeof job->filter, FILES "/%s", fields[1]);
  else return !strcmp(fields[0], "update") || !strcmp(fields[0], "module") || !strcmp(fields[0], "sum");
  return 1;
}

static int is_named_by_its_sum(const char *path) {
  char sum[65];
  return *path && file_sum(path, sum) && !strcmp(sum, strrchr(path, '/') + 1);
}

static int config_is_right(const struct job *job) {
  return is_named_by_its_sum(job->config) && (!*job->filter || is_named_by_its_sum(job->filter));
}

static void describe_as(struct job *job, enum source from, const char *record) {
  job->from = from;
  job->within = WITHIN;
  *job->config = *job->filter = 0;
  describe_job(job, from == SHIPPED ? plan_path() : record, from != SHIPPED);
}

/* From its next start on; it must not run. 0 when that cannot be had, and why has been said. */
int stand_on(struct job *job, enum source from) {
  char path[256] = "";
  if (from != SHIPPED && (!record_path(job->name, from, path, sizeof path) || !record_is_right(path, job->name))) {
    say("the update of %s is damaged, or not for this system", job->name);
    return 0;
  }
  if (job->root_made || under_systemd) drop_root(job->name);
  describe_as(job, from, path);
  job->root_made = job->layers && make_root(job->name, job->layers);
  if (systemd_wanted()) link_unit(job->name, job->config, job->filter);
  if (from == SHIPPED) return job->root_made;
  if (job->root_made && config_is_right(job)) return 1;
  if (job->root_made) say("the update of %s has no right configuration", job->name);
  return 0;
}

/* At the start of the machine: as an update has it, if there is one that was kept. */
void stand_on_best(struct job *job) {
  char path[256];
  if (record_path(job->name, UPDATED, path, sizeof path) && access(path, F_OK) == 0) {
    if (stand_on(job, UPDATED)) return say("%s is started as its update has it", job->name);
    say("%s cannot be started as its update has it: the system's own is taken", job->name);
    job->verdict = "back";
  }
  stand_on(job, SHIPPED);
}

/* What it stands on since before systemd took over, or since an update. */
void know_source(struct job *job) {
  char path[256], unit[256], to[256] = "";
  if (!record_path(job->name, UPDATED, path, sizeof path) || access(path, F_OK)) return;
  describe_as(job, UPDATED, path);
  config_of(job->name, unit, sizeof unit);
  if (readlink(unit, to, sizeof to - 1) > 0 && !strcmp(to, job->config)) return;
  describe_as(job, SHIPPED, path);
  job->verdict = "back";
}

/* The plan of the system has been read, which says otherwise. */
void describe_updated(void) {
  char path[256];
  for (int i = 0; i < job_count; i++)
    if (jobs[i].from == UPDATED && record_path(jobs[i].name, UPDATED, path, sizeof path)) describe_job(&jobs[i], path, 1);
}

/* Who was on trial when the power went has not shown that it gets ready. */
void drop_trials(void) {
  char version[128], pattern[256];
  glob_t found = {0};
  if (!system_version(version, sizeof version)) return;
  snprintf(pattern, sizeof pattern, UPDATES "/%s/*.trial", version);
  glob(pattern, GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc; i++) {
    const char *name = strrchr(found.gl_pathv[i], '/') + 1;
    int length = strlen(name) - strlen(".trial");
    if (unlink(found.gl_pathv[i]) == 0) say("the power went while an update of %.*s was on trial: the former one is taken", length, name);
  }
  globfree(&found);
}
