/* Drivers for what was there when the machine was switched on: screens, and what is typed and pointed with, before all else, which nobody
 * waits for to see something. */
#include "init.h"
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLITE 10 /* of nice, where the picture is being made meanwhile */

static struct found {
  char *names[MOST_ALIASES]; /* what devices call themselves */
  int count;
} screens, inputs, others;

/* Another process for these; 0 if there is none. */
pid_t load_beside(char **aliases, int count, int politeness) {
  pid_t pid = branch("drivers");
  if (pid) return pid > 0 ? pid : 0;
  setpriority(PRIO_PROCESS, 0, politeness);
  load_for(aliases, count);
  _exit(0);
}

static int is_screen(const char *alias) {
  return (!strncmp(alias, "pci:", 4) && strstr(alias, "bc03")) || !strncmp(alias, "virtio:d00000010", 16);
}

/* Keyboards, pointers, and what they are plugged into. */
static int is_input(const char *alias) {
  static const char *const kinds[] = {"input:", "serio:", "hid:", "virtio:d00000012", NULL};
  for (int i = 0; kinds[i]; i++)
    if (!strncmp(alias, kinds[i], strlen(kinds[i]))) return 1;
  return (!strncmp(alias, "pci:", 4) && strstr(alias, "bc0Csc03")) || (!strncmp(alias, "usb:", 4) && strstr(alias, "ic03"));
}

static void forget(struct found *found) {
  while (found->count) free(found->names[--found->count]);
}

void find_devices(void) {
  static const char *const places[] = {"/sys/bus/*/devices/*/modalias", "/sys/class/input/*/modalias", "/sys/class/dmi/*/modalias", NULL};
  char text[1024];
  forget(&others); /* of another time */
  for (int place = 0; places[place]; place++) {
    glob_t paths = {0};
    glob(places[place], GLOB_NOSORT, NULL, &paths);
    for (size_t i = 0; i < paths.gl_pathc; i++) {
      if (!read_text(paths.gl_pathv[i], text, sizeof text)) continue;
      struct found *kind = is_screen(text) ? &screens : is_input(text) ? &inputs : &others;
      if (kind->count < MOST_ALIASES) kind->names[kind->count++] = strdup(text);
    }
    globfree(&paths);
  }
  know_drivers(); /* once, for all who come from here */
}

/* Screens beside inputs: each waits for its devices. */
pid_t load_what_is_seen(void) {
  pid_t pid = branch("drivers");
  if (!pid) {
    pid_t beside = screens.count ? load_beside(screens.names, screens.count, 0) : 0;
    load_for(inputs.names, inputs.count);
    if (beside) waitpid(beside, NULL, 0);
    _exit(0);
  }
  forget(&screens);
  forget(&inputs);
  return pid > 0 ? pid : 0;
}

pid_t load_all_else(void) {
  return load_beside(others.names, others.count, POLITE);
}
