#include "areas.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIME 30      /* seconds */
#define PAUSE 500000 /* microseconds: who draws needs the processor more */
#define SLOTS 4096   /* for colours that were found; no contract asks for more than some hundred */

static long length(const char *word, int whole) {
  long value = atol(word);
  return strchr(word, '%') ? whole * value / 100 : value;
}

static int colours(const unsigned *pixels, size_t count, int enough) {
  static unsigned seen[SLOTS];
  static char used[SLOTS];
  int found = 0;
  memset(used, 0, sizeof used);
  for (size_t i = 0; i < count; i++) {
    unsigned colour = pixels[i] & 0xffffff, at = (colour * 2654435761u) % SLOTS;
    while (used[at] && seen[at] != colour) at = (at + 1) % SLOTS;
    if (used[at]) continue;
    used[at] = 1, seen[at] = colour;
    if (++found >= enough || found == SLOTS - 1) break;
  }
  return found;
}

/* How many colours are missing in an area. */
static int missing(const struct screen *screen, const char *words) {
  char part[5][16], behind[16] = "", note[128];
  if (sscanf(words, "%15[^,],%15[^,],%15[^,],%15[^,],%15[^,],%15s", part[0], part[1], part[2], part[3], part[4], behind) < 5) return 1;
  snprintf(note, sizeof note, "/tmp/seen.%s", words);
  if (*behind && !access(note, F_OK)) return 0;
  long x = length(part[0], screen->width), y = length(part[1], screen->height);
  long wide = length(part[2], screen->width), high = length(part[3], screen->height);
  if (x + wide > screen->width) wide = screen->width - x;
  if (y + high > screen->height) high = screen->height - y;
  if (wide < 1 || high < 1) return 1;
  unsigned *pixels = malloc(wide * high * sizeof *pixels);
  int wanted = atoi(part[4]), read = pixels && screen->read(x, y, wide, high, pixels);
  int lacking = wanted - (read ? colours(pixels, wide * high, wanted) : 0);
  free(pixels);
  FILE *file = lacking <= 0 && *behind ? fopen(note, "w") : NULL;
  if (file) fclose(file);
  return lacking > 0 ? lacking : 0;
}

int look_until_drawn(const struct screen *(*take)(void), char **areas, int count) {
  const char *lacks = NULL;
  int few = 0;
  for (time_t end = time(NULL) + TIME; !lacks || time(NULL) < end;) {
    const struct screen *screen = take();
    lacks = screen ? NULL : "the screen";
    for (int i = 0; i < count && !lacks; i++)
      if ((few = missing(screen, areas[i]))) lacks = areas[i];
    if (!lacks) return 0;
    usleep(PAUSE);
  }
  return fprintf(stderr, "%s is not drawn: %d colours too few\n", lacks, few), 1;
}
