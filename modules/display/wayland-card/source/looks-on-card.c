/* looks AREA...: ends with 0 once each of these areas of the compositor's first screen is drawn (areas.h); with 1, and the first that is not,
 * after some seconds. grim has the compositor copy what it shows, which is nothing while its virtual terminal is not the one that is seen. */
#include "areas.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET "/run/modulux/wayland/wayland-0"
#define LARGEST 16384 /* pixels, each way */

static char copy[128];
static struct screen screen;
static unsigned char *picture;

static int read_area(int x, int y, int width, int height, unsigned *pixels) {
  for (int line = y; line < y + height; line++) {
    const unsigned char *at = picture + 3 * ((size_t)line * screen.width + x);
    for (int i = 0; i < width; i++, at += 3) *pixels++ = at[0] << 16 | at[1] << 8 | at[2];
  }
  return 1;
}

/* A picture of the first screen, as binary PPM of 8 bits. */
static const struct screen *take(void) {
  int width, height;
  const struct screen *whole = NULL;
  FILE *shot = popen(copy, "r");
  if (!shot) return NULL;
  if (fscanf(shot, "P6 %d %d 255", &width, &height) == 2 && fgetc(shot) != EOF && width > 0 && height > 0 && width <= LARGEST && height <= LARGEST) {
    size_t size = (size_t)3 * width * height;
    free(picture);
    picture = malloc(size);
    screen = (struct screen){width, height, read_area};
    if (picture && fread(picture, 1, size, shot) == size) whole = &screen;
  }
  return pclose(shot) ? NULL : whole;
}

/* The name of the screen at the left; in which order they are told changes. */
static int find_first(char name[64]) {
  char line[256];
  int found = 0;
  FILE *screens = popen("exec timeout 5 wlr-randr", "r");
  while (screens && !found && fgets(line, sizeof line, screens)) {
    if (*line != ' ') sscanf(line, "%63[A-Za-z0-9-]", name);
    found = strstr(line, "Position: 0,0\n") != NULL;
  }
  if (screens) pclose(screens);
  return found;
}

int main(int count, char **words) {
  char first[64];
  alarm(LOOK_TIME);
  setenv("WAYLAND_DISPLAY", SOCKET, 1);
  if (!find_first(first)) return fprintf(stderr, "the compositor does not answer\n"), 1;
  snprintf(copy, sizeof copy, "exec timeout 5 grim -t ppm -o %s - 2>/dev/null", first);
  return look_until_drawn(take, words + 1, count - 1);
}
