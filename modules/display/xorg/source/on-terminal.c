/* on-terminal NUMBER COMMAND...: COMMAND, which is a program's path, with the virtual terminal of that number as its own, in front of all
 * others. Whoever had the graphics card has let go of it by then; so COMMAND finds it free, where else it would only be one more client of it.
 * No privilege is needed: who controls a terminal may bring it to the front. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PATIENCE 30 /* seconds that the one before may take to let go; then this ends, and is tried again */

int main(int count, char **words) {
  char path[32];
  int number = count > 2 ? atoi(words[1]) : 0;
  if (number < 1) return fprintf(stderr, "on-terminal NUMBER COMMAND...\n"), 2;
  snprintf(path, sizeof path, "/dev/tty%d", number);
  if (getsid(0) != getpid() && setsid() < 0) perror("setsid"); /* who leads a session controls the first terminal that it opens */
  int terminal = open(path, O_RDWR);                           /* stays open, and so its own, in COMMAND */
  alarm(PATIENCE);
  if (terminal < 0 || ioctl(terminal, VT_ACTIVATE, number) || ioctl(terminal, VT_WAITACTIVE, number))
    return fprintf(stderr, "%s cannot be brought to the front: %s\n", path, strerror(errno)), 1;
  alarm(0);
  execv(words[2], words + 2);
  return fprintf(stderr, "%s: %s\n", words[2], strerror(errno)), 127;
}
