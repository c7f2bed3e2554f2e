/* looks AREA...: ends with 0 once each of these areas of the X screen is drawn (areas.h); with 1, and the first that is not, after some seconds.
 * Of several screens it is the first, at the left, whose size /tmp/first-screen says (beside). */
#include "areas.h"
#include <X11/Xlib.h>
#include <X11/Xutil.h>
#include <stdio.h>
#include <unistd.h>

static Display *display;

static int read_area(int x, int y, int width, int height, unsigned *pixels) {
  XImage *image = XGetImage(display, DefaultRootWindow(display), x, y, width, height, AllPlanes, ZPixmap);
  if (!image) return 0;
  for (int line = 0; line < height; line++)
    for (int at = 0; at < width; at++) *pixels++ = XGetPixel(image, at, line);
  XDestroyImage(image);
  return 1;
}

static void only_first(struct screen *screen) {
  char text[32] = "";
  int width, height;
  FILE *file = fopen("/tmp/first-screen", "r");
  if (!file) return;
  if (fgets(text, sizeof text, file) && sscanf(text, "%dx%d", &width, &height) == 2 && width <= screen->width && height <= screen->height)
    screen->width = width, screen->height = height;
  fclose(file);
}

static const struct screen *take(void) {
  static struct screen screen = {.read = read_area};
  XWindowAttributes root;
  XGetWindowAttributes(display, DefaultRootWindow(display), &root);
  screen.width = root.width;
  screen.height = root.height;
  only_first(&screen);
  return &screen;
}

int main(int count, char **words) {
  alarm(LOOK_TIME);
  display = XOpenDisplay(":0");
  if (!display) return fprintf(stderr, "the display does not answer\n"), 1;
  return look_until_drawn(take, words + 1, count - 1);
}
