/* modulux WORD...: has the machine's own `modulux` do it (service/keeper), by its socket, if this machine has one. What is typed goes there, what
 * it prints comes here, and its exit status is this one's. What is said over the socket stands in that module's `serve`. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define SOCKET "/run/modulux/keeper/socket"
#define MAGIC "\0modulux keeper 1\n"
#define ENQUIRY 5 /* ends a question whose answer is not to be seen */
#define ENDED 256 /* and more: the exit status */

static int line;
static struct termios plain;
static int on_terminal, hidden;

static int fail(const char *what, const char *hint) {
  fprintf(stderr, "modulux: %s\nhint: %s\n", what, hint);
  return 6;
}

static int put(int file, const char *data, size_t size) {
  while (size) {
    ssize_t done = write(file, data, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return 0;
    data += done;
    size -= done;
  }
  return 1;
}

static int get(char *data, size_t size) {
  while (size) {
    ssize_t done = read(line, data, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return 0;
    data += done;
    size -= done;
  }
  return 1;
}

static int send_frame(char kind, const char *data, size_t size) {
  char head[5] = {kind, size >> 24, size >> 16, size >> 8, size};
  return put(line, head, sizeof head) && put(line, data, size);
}

/* The words as a list in JSON; 0 when they are too long. */
static size_t command(char *text, size_t size, char **words) {
  size_t used = 0;
  text[used++] = '[';
  for (int i = 0; words[i]; i++) {
    if (used + 4 > size) return 0;
    if (i) text[used++] = ',';
    text[used++] = '"';
    for (const unsigned char *at = (unsigned char *)words[i]; *at; at++) {
      if (used + 10 > size) return 0;
      if (*at < ' ' || *at == '"' || *at == '\\') used += sprintf(text + used, "\\u%04x", *at);
      else text[used++] = *at;
    }
    text[used++] = '"';
  }
  text[used++] = ']';
  return used;
}

static void show_typed(int show) {
  if (!on_terminal || hidden == !show) return;
  struct termios changed = plain;
  if (!show) changed.c_lflag &= ~ECHO, changed.c_lflag |= ECHONL;
  tcsetattr(STDIN_FILENO, TCSADRAIN, &changed);
  hidden = !show;
}

/* One frame from there; ENDED and the exit status once it has ended, -1 when the line is cut. */
static int hear(void) {
  static char data[1 << 16];
  unsigned char head[5];
  if (!get((char *)head, sizeof head)) return -1;
  size_t left = (size_t)head[1] << 24 | head[2] << 16 | head[3] << 8 | head[4];
  if (head[0] == 'x') return get(data, 1) ? ENDED + (unsigned char)*data : -1;
  while (left) {
    size_t piece = left < sizeof data ? left : sizeof data;
    if (!get(data, piece)) return -1;
    left -= piece;
    int asks = !left && head[0] == 'r' && data[piece - 1] == ENQUIRY;
    put(head[0] == 'o' ? STDOUT_FILENO : STDERR_FILENO, data, piece - asks);
    if (asks) show_typed(0);
  }
  return 0;
}

static int carry(void) {
  static char data[1 << 15];
  struct pollfd ends[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = line, .events = POLLIN}};
  for (;;) {
    if (poll(ends, 2, -1) < 0 && errno != EINTR) return -1;
    if (ends[1].revents) {
      int heard = hear();
      if (heard) return heard;
    }
    if (!ends[0].revents) continue;
    ssize_t got = read(STDIN_FILENO, data, sizeof data);
    show_typed(1);
    if (got <= 0) ends[0].fd = -1;
    if (!send_frame(got > 0 ? 'i' : 'e', data, got > 0 ? got : 0)) return -1;
  }
}

int main(int count, char **words) {
  static char text[1 << 16];
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
  char *help[] = {"--help", NULL};
  size_t size = command(text, sizeof text, count > 1 ? words + 1 : help);
  if (!size) return fail("that is too long", "modulux --help");
  line = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(line, (struct sockaddr *)&address, sizeof address))
    return fail("nothing here keeps this machine's data", "`services: [keeper]` in the machine file");
  on_terminal = tcgetattr(STDIN_FILENO, &plain) == 0;
  int ended = put(line, MAGIC, sizeof MAGIC - 1) && send_frame('a', text, size) ? carry() : -1;
  show_typed(1);
  return ended < 0 ? fail("it was cut off; whether it was done is not known", "modulux snapshots") : ended - ENDED;
}
