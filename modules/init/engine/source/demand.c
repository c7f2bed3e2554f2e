/* What modules need of the kernel, looked at again on the machine itself: what is missing is said, with the modules that need it. */
#include "init.h"
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_DEMANDS 64

static struct demand {
  char *file, *word, *what, *whose;
} demands[MOST_DEMANDS];
static int demand_count, looked;

void add_demand(char **fields) {
  if (demand_count == MOST_DEMANDS) return;
  demands[demand_count++] = (struct demand){strdup(fields[0]), strdup(fields[1]), strdup(fields[2]), strdup(fields[3])};
}

static int holds_something(const char *path) {
  DIR *list = opendir(path);
  int found = 0;
  for (struct dirent *entry; list && !found && (entry = readdir(list));) found = *entry->d_name != '.';
  if (list) closedir(list);
  return found;
}

static int holds_word(const char *path, const char *word) {
  static char text[16384];
  size_t length = strlen(word);
  if (!read_text(path, text, sizeof text)) return 0;
  for (char *at = text; (at = strstr(at, word)); at += length) {
    int begins = at == text || strchr(" \t\n", at[-1]), ends = !at[length] || strchr(" \t\n", at[length]);
    if (begins && ends) return 1;
  }
  return 0;
}

static int matches(const char *pattern) {
  glob_t found = {0};
  int there = glob(pattern, GLOB_NOSORT, NULL, &found) == 0;
  globfree(&found);
  return there;
}

static int holds(const struct demand *demand) {
  struct stat facts;
  if (strchr(demand->file, '*')) return matches(demand->file);
  if (stat(demand->file, &facts)) return 0;
  if (S_ISDIR(facts.st_mode)) return holds_something(demand->file);
  return !strcmp(demand->word, "-") || holds_word(demand->file, demand->word);
}

void look_at_demands(void) {
  if (looked++) return;
  for (int i = 0; i < demand_count; i++)
    if (!holds(&demands[i])) say("MISSING: %s (%s), which %s needs", demands[i].what, demands[i].file, demands[i].whose);
}
