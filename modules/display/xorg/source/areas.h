/* Areas of a screen that hold so many colours once a desktop is drawn: X,Y,WIDTH,HEIGHT,COLOURS[,behind]. Places and sizes are pixels, or shares
 * of the screen as 50%. What windows may come before (`behind`) need be seen once, as long as /tmp remembers it. */
#ifndef AREAS_H
#define AREAS_H

struct screen {
  int width, height;
  /* the colours of an area, line by line; 0 when they cannot be had */
  int (*read)(int x, int y, int width, int height, unsigned *pixels);
};

#define LOOK_TIME 40 /* seconds after which who looks may be ended */

/* Looks until all areas are drawn, or for some seconds: the exit status of a display's `looks`. `take` has the screen as it is now, or NULL. */
int look_until_drawn(const struct screen *(*take)(void), char **areas, int count);
#endif
