/* looks X,Y,WIDTH,HEIGHT,COLOURS[,behind]...: ends with 0 once each of these areas of the screen holds so many colours; with 1, and the
 * first that does not, after some seconds. Places and sizes are pixels, or shares of the screen as 50%. What windows may come before
 * (`behind`) need be seen once, as long as /tmp remembers it. Of several screens it is the first, at the left, whose size /tmp/first-screen says (beside). */
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRIES 60
#define PAUSE 500000 /* microseconds: who draws needs the processor more */
#define SLOTS 4096   /* for colours that were found; no contract asks for more than some hundred */

static long length(const char *word, int whole) {
  long value = atol(word);
  return strchr(word, '%') ? whole * value / 100 : value;
}

static int colours(XImage *image, int enough) {
  static unsigned long seen[SLOTS];
  static char used[SLOTS];
  int found = 0;
  memset(used, 0, sizeof used);
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++) {
      unsigned long colour = XGetPixel(image, x, y) & 0xffffff;
      unsigned at = (colour * 2654435761u) % SLOTS;
      while (used[at] && seen[at] != colour) at = (at + 1) % SLOTS;
      if (used[at]) continue;
      used[at] = 1, seen[at] = colour;
      if (++found >= enough || found == SLOTS - 1) return found;
    }
  return found;
}

static void only_first(XWindowAttributes *root) {
  char text[32] = "";
  int width, height;
  FILE *file = fopen("/tmp/first-screen", "r");
  if (!file) return;
  if (fgets(text, sizeof text, file) && sscanf(text, "%dx%d", &width, &height) == 2 && width <= root->width && height <= root->height)
    root->width = width, root->height = height;
  fclose(file);
}

/* How many colours are missing in an area. */
static int missing(Display *display, const char *words) {
  char part[5][16], behind[16] = "", note[128];
  if (sscanf(words, "%15[^,],%15[^,],%15[^,],%15[^,],%15[^,],%15s", part[0], part[1], part[2], part[3], part[4], behind) < 5) return 1;
  snprintf(note, sizeof note, "/tmp/seen.%s", words);
  if (*behind && !access(note, F_OK)) return 0;
  XWindowAttributes root;
  XGetWindowAttributes(display, DefaultRootWindow(display), &root);
  only_first(&root);
  long x = length(part[0], root.width), y = length(part[1], root.height), wide = length(part[2], root.width), high = length(part[3], root.height);
  if (x + wide > root.width) wide = root.width - x;
  if (y + high > root.height) high = root.height - y;
  if (wide < 1 || high < 1) return 1;
  XImage *image = XGetImage(display, DefaultRootWindow(display), x, y, wide, high, AllPlanes, ZPixmap);
  if (!image) return 1;
  int wanted = atoi(part[4]), lacking = wanted - colours(image, wanted);
  XDestroyImage(image);
  FILE *file = lacking <= 0 && *behind ? fopen(note, "w") : NULL;
  if (file) fclose(file);
  return lacking > 0 ? lacking : 0;
}

int main(int count, char **words) {
  const char *lacks = NULL;
  int few = 0;
  Display *display = XOpenDisplay(":0");
  if (!display) return fprintf(stderr, "the display does not answer\n"), 1;
  for (int tries = 0; tries < TRIES; tries++) {
    lacks = NULL;
    for (int i = 1; i < count && !lacks; i++)
      if ((few = missing(display, words[i]))) lacks = words[i];
    if (!lacks) return 0;
    usleep(PAUSE);
  }
  return fprintf(stderr, "%s is not drawn: %d colours too few\n", lacks, few), 1;
}
