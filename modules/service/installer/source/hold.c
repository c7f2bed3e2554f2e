/* hold DISK COMMAND…: runs it while nobody else can mount or take the disk; 75 when somebody has it already. A shell cannot ask for that. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char **words) {
  if (count < 3) return 64;
  if (open(words[1], O_RDWR | O_EXCL) < 0) { /* open until the command ends */
    fprintf(stderr, "%s: %s\n", words[1], strerror(errno));
    return 75;
  }
  execv(words[2], words + 2);
  fprintf(stderr, "%s: %s\n", words[2], strerror(errno));
  return 127;
}
