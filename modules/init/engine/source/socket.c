/* Whether somebody takes connections at a unix socket. Asked here, where it costs nothing: the same question in each container's shell takes
 * all of a slow processor. */
#include "init.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ASKED_AGAIN 0.02 /* seconds, after a no */
#define BELIEVED 3.0     /* seconds, after a yes: whoever answers should not be bothered all the time */

static struct known {
  char *path;
  double asked;
  int yes;
} known[MOST * 4];
static int known_count;

static int connects(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int failed = end < 0 || connect(end, (struct sockaddr *)&address, sizeof address);
  if (end >= 0) close(end);
  return !failed;
}

static int answers(const char *path) {
  int i = 0;
  while (i < known_count && strcmp(known[i].path, path)) i++;
  if (i == MOST * 4) return connects(path);
  if (i == known_count) known[known_count++] = (struct known){.path = strdup(path), .asked = -NEVER};
  double age = now() - known[i].asked;
  if (age < (known[i].yes ? BELIEVED : ASKED_AGAIN)) return known[i].yes;
  known[i].yes = connects(path);
  known[i].asked = now();
  return known[i].yes;
}

/* Who answered there has ended. */
void forget_answers(char **paths) {
  for (; paths && *paths; paths++)
    for (int i = 0; i < known_count; i++)
      if (!strcmp(known[i].path, *paths)) known[i].asked = -NEVER, known[i].yes = 0;
}

int all_answer(char **paths) {
  for (; paths && *paths; paths++)
    if (!answers(*paths)) return 0;
  return 1;
}
