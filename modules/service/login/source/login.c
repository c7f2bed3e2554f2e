/* login TERMINAL NAME: asks for a password on a virtual terminal (a number) or a line (a path) and becomes a shell there; when that ends, it asks again. Each login is a
 * process of its own, which leads a session: with it the terminal is taken from all that it left behind. MODULUX_PASSWORD is the password's
 * hash (crypt(5)), `none` to ask for none.
 * Debian's own login wants to be root, to become whoever logs in; here there is one user, and this is that one already. */
#define _GNU_SOURCE
#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PENALTY 2                        /* seconds, after a wrong password */
#define CLEAR "\033c\033[H\033[2J\033[3J" /* the terminal as new: what was written before, also further up, is gone */
#define LOGIN_SHELL "/bin/bash"
#define FAILED 111 /* how a process ends that cannot ask; who started this tries again later */

static struct termios plain;

static int is_line(const char *terminal) {
  return *terminal == '/';
}

/* The terminal is that which this process controls, and all that it reads and writes. */
static int take_terminal(const char *number) {
  char path[32];
  snprintf(path, sizeof path, "%s%s", is_line(number) ? "" : "/dev/tty", number);
  if (getsid(0) != getpid() && setsid() < 0) perror("setsid");
  int terminal = open(path, O_RDWR);
  if (terminal < 0) return fprintf(stderr, "login: %s: %s\n", path, strerror(errno)), 0;
  if (tcgetattr(terminal, &plain)) return fprintf(stderr, "login: %s is no terminal\n", path), 0;
  for (int file = 0; file < 3; file++) dup2(terminal, file);
  if (terminal > 2) close(terminal);
  return 1;
}

/* A line that is typed, unseen if it is secret; keys that would interrupt are none meanwhile. 0: there was none. */
static int read_answer(char *line, size_t size, int secret) {
  struct termios quiet = plain;
  quiet.c_lflag &= ~(ISIG | (secret ? ECHO : 0));
  tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  ssize_t got = read(STDIN_FILENO, line, size - 1);
  if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &plain)) exit(FAILED); /* the terminal is gone */
  line[got > 0 ? got : 0] = 0;
  int whole = got > 0 && line[got - 1] == '\n';
  line[strcspn(line, "\n")] = 0;
  return whole;
}

static int right(const char *password, const char *hash) {
  struct crypt_data *data = calloc(1, sizeof *data);
  const char *made = data ? crypt_r(password, hash, data) : NULL;
  int same = made && *made != '*' && !strcmp(made, hash);
  if (data) explicit_bzero(data, sizeof *data);
  free(data);
  return same;
}

static void ask(const char *name, const char *hash) {
  char line[512];
  int open_to_all = !strcmp(hash, "none");
  printf(CLEAR "%s\n\n", name);
  for (;;) {
    printf(open_to_all ? "Enter begins a shell. " : "Password: ");
    fflush(stdout);
    int typed = read_answer(line, sizeof line, !open_to_all), in = typed && (open_to_all || right(line, hash));
    explicit_bzero(line, sizeof line);
    printf("\n");
    if (in) return;
    if (!typed) continue;
    sleep(PENALTY);
    printf("That is not it.\n");
  }
}

/* As if it had been started at a terminal, not behind a shell that keeps some signals from what it starts. */
static void default_signals(void) {
  static const int ones[] = {SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU, SIGHUP, SIGTERM, SIGPIPE};
  for (size_t i = 0; i < sizeof ones / sizeof *ones; i++) signal(ones[i], SIG_DFL);
}

/* One login, from the question to the end of the shell; only what goes wrong returns. */
static void serve(const char *number, const char *name, const char *hash) {
  const char *home = getenv("HOME");
  if (!take_terminal(number)) return;
  if (!*hash) {
    printf(CLEAR "%s\n\nNobody can log in here.\n", name);
    fflush(stdout);
    for (;;) pause();
  }
  ask(name, hash);
  default_signals();
  setenv("TERM", is_line(number) ? "vt220" : "linux", 1);
  setenv("SHELL", LOGIN_SHELL, 1);
  if (home && chdir(home)) perror(home);
  execl(LOGIN_SHELL, "-bash", NULL);
  perror(LOGIN_SHELL);
}

int main(int count, char **words) {
  const char *given = getenv("MODULUX_PASSWORD");
  char *hash = strdup(given ? given : "");
  int status;
  if (count != 3 || !hash) return fprintf(stderr, "login TERMINAL NAME\n"), 2;
  unsetenv("MODULUX_PASSWORD");
  for (;;) {
    pid_t pid = fork();
    if (pid == 0) return serve(words[1], words[2], hash), FAILED;
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == FAILED)) return 1;
  }
}
