/* Updates as they come, and what of them is still of use: verbs of command.c, each in a process of its own.
 *
 *   plan                   the lines of the system's boot plan
 *   description            the file that describes the machine
 *   updates                what there is (below), and how much more the state's disk can take
 *   bring SHA256 SIZE      a file. Answered by "at OFFSET"; then the bytes from there come. What came before the line broke is not sent again
 *   propose NAME SHA256    that file is the record of an update of NAME, and all that it speaks of is there. PID 1 tries it when told to */
#include "init.h"
#include "update.h"
#include "transfer.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LEFT_OVER (4 << 20) /* bytes that homes and logs can always have */
#define PART ".part"

static void make_sure(void) {
  int top = open("/state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (top < 0) return;
  syncfs(top);
  close(top);
}

static unsigned long long room(void) {
  struct statvfs facts;
  if (statvfs("/state", &facts)) return 0;
  unsigned long long bytes = (unsigned long long)facts.f_bavail * facts.f_frsize;
  return bytes > LEFT_OVER ? bytes - LEFT_OVER : 0;
}

static int show(const char *path) {
  char *line = NULL;
  size_t size = 0;
  FILE *plan = fopen(path, "re");
  if (!plan) return refuse("it cannot be read");
  while (getline(&line, &size, plan) > 0) tell("%s", line);
  fclose(plan);
  return 0;
}

static void show_module(const char *name, enum source from) {
  char path[256], *line = NULL, id[128] = "-", reference[256] = "-";
  size_t size = 0;
  FILE *record = from != SHIPPED && record_path(name, from, path, sizeof path) ? fopen(path, "re") : NULL;
  while (record && getline(&line, &size, record) > 0) sscanf(line, "module\t%127[^\t]\t%255[^\n]", id, reference);
  if (record) fclose(record);
  free(line);
  tell("\t%s\t%s\n", id, reference);
}

static int show_updates(void) {
  char version[128] = "-", path[256], sum[65];
  glob_t found = {0};
  system_version(version, sizeof version);
  tell("system\t%s\t%s\t%s\nroom\t%llu\n", version, state_kept ? "kept" : "memory", systemd_wanted() ? "systemd" : "engine", room());
  glob(FILES "/*", GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc; i++)
    if (is_sum(strrchr(found.gl_pathv[i], '/') + 1)) tell("file\t%s\n", strrchr(found.gl_pathv[i], '/') + 1);
  globfree(&found);
  for (int i = 0; i < job_count; i++) {
    struct job *job = &jobs[i];
    const char *state = changes(job) ? "trial" : job->verdict ? job->verdict : job->from == SHIPPED ? "shipped" : "kept";
    config_of(job->name, path, sizeof path);
    if (!file_sum(path, sum)) strcpy(sum, "-");
    tell("container\t%s\t%s\t%s\t%s", job->name, state, job->ready ? "ready" : "-", sum);
    show_module(job->name, job->from);
  }
  return 0;
}

static void nothing_to_note(uint64_t at) {
  (void)at;
}

static int bring(const char *sum, uint64_t size) {
  char whole[256], part[300];
  struct stat facts;
  if (!is_sum(sum) || !size) return tell("error bring SHA256 SIZE\n");
  folders(FILES, 0700);
  write_text(UPLOADING, "yes\n");
  snprintf(whole, sizeof whole, FILES "/%s", sum);
  snprintf(part, sizeof part, "%s" PART, whole);
  if (stat(whole, &facts) == 0 && (uint64_t)facts.st_size == size) return tell("at\t%llu\n", (unsigned long long)size) - 1;
  int file = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || fstat(file, &facts)) return refuse("the state's disk cannot be written");
  uint64_t at = (uint64_t)facts.st_size > size ? 0 : (uint64_t)facts.st_size;
  unsigned long long missing = size - at;
  if (room() < missing) return tell("error the state's disk has no room for it: %llu MB are free, %llu are needed\n", room() >> 20, (missing >> 20) + 1);
  tell("at\t%llu\n", (unsigned long long)at);
  int failed = take(file, at, size, nothing_to_note);
  if (failed == NOT_WRITTEN) unlink(part); /* others need the room */
  if (failed) return 1;
  if (!is_what_was_sent(file, size, sum)) return unlink(part), tell("error what lies on the disk is not what was sent\n");
  if (rename(part, whole)) return refuse("it cannot be named");
  make_sure();
  return 0;
}

/* Whether a file that a record speaks of is there; `fields` are the words of one of its lines. */
static int is_there(const char *line) {
  char sum[65] = "", path[256];
  static const char *const kinds[] = {"config\t%64[0-9a-f]", "filter\t%64[0-9a-f]", "layer\t%*[^\t]\t%64[0-9a-f]", NULL};
  int at = 0;
  while (kinds[at] && sscanf(line, kinds[at], sum) != 1) at++;
  if (!kinds[at]) return 1;
  snprintf(path, sizeof path, FILES "/%s", sum);
  return access(path, F_OK) == 0;
}

static int propose(const char *name, const char *sum) {
  char from[256], to[256], *line = NULL;
  size_t size = 0;
  int whole = 1;
  if (!is_sum(sum) || !find_job(name) || !record_path(name, TRIED, to, sizeof to)) return tell("error there is no container %s\n", name);
  snprintf(from, sizeof from, FILES "/%s", sum);
  if (!record_is_right(from, name)) return tell("error the update is not for this container of this system\n");
  FILE *record = fopen(from, "re");
  while (record && getline(&line, &size, record) > 0) whole &= is_there(line);
  if (record) fclose(record);
  free(line);
  if (!record || !whole) return tell("error not all files of the update have arrived\n");
  *strrchr(to, '/') = 0;
  folders(to, 0700);
  record_path(name, TRIED, to, sizeof to);
  if (rename(from, to)) return refuse("the update cannot be noted");
  make_sure();
  unlink(UPLOADING);
  return 0;
}

int obey_update(char **words) {
  if (!strcmp(words[0], "plan")) return show(plan_path());
  if (!strcmp(words[0], "description")) return show(PLAN "/description");
  if (!strcmp(words[0], "updates")) return show_updates();
  if (!words[1] || !words[2]) return tell("error %s takes two words\n", words[0]);
  if (!strcmp(words[0], "propose")) return propose(words[1], words[2]);
  return bring(words[1], strtoull(words[2], NULL, 10));
}

/* It has shown that it gets ready. What it replaces is gone with the same step. */
int keep_record(const char *name) {
  char from[256], to[256];
  make_sure();
  if (!record_path(name, TRIED, from, sizeof from) || !record_path(name, UPDATED, to, sizeof to) || rename(from, to)) return -1;
  make_sure();
  tidy_updates(0);
  return 0;
}

int forget_record(const char *name, enum source from) {
  char path[256];
  if (!record_path(name, from, path, sizeof path) || (unlink(path) && errno != ENOENT)) return -1;
  make_sure();
  tidy_updates(0);
  return 0;
}

static int spoken_of(const char *sum) {
  char *line = NULL;
  size_t size = 0;
  glob_t found = {0};
  int yes = 0;
  glob(UPDATES "/*/*.kept", GLOB_NOSORT, NULL, &found);
  glob(UPDATES "/*/*.trial", GLOB_NOSORT | GLOB_APPEND, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc && !yes; i++) {
    FILE *record = fopen(found.gl_pathv[i], "re");
    while (record && !yes && getline(&line, &size, record) > 0) yes = strstr(line, sum) != NULL;
    if (record) fclose(record);
  }
  globfree(&found);
  free(line);
  return yes;
}

/* What nothing can use any more: records of systems that cannot be started, and files of which no record speaks. */
void tidy_updates(int of_other_systems) {
  char version[128], own[200];
  glob_t found = {0};
  if (!system_version(version, sizeof version)) return;
  snprintf(own, sizeof own, UPDATES "/%s", version);
  glob(UPDATES "/*", GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc && of_other_systems; i++)
    if (strcmp(found.gl_pathv[i], FILES) && strcmp(found.gl_pathv[i], own)) remove_tree(found.gl_pathv[i]);
  globfree(&found);
  if (access(UPLOADING, F_OK) == 0) return;
  found = (glob_t){0};
  glob(FILES "/*", GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc; i++)
    if (!is_sum(strrchr(found.gl_pathv[i], '/') + 1) || !spoken_of(strrchr(found.gl_pathv[i], '/') + 1)) unlink(found.gl_pathv[i]);
  globfree(&found);
}
