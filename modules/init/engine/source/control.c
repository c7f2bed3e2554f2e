/* Who commands the machine: at a socket that only root can reach, a line each (command.c), and one after the other. A container that may do
 * so too (`control` in the plan) has a socket of its own for the same, and who keeps the machine's data one for less. */
#include "init.h"
#include "client.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define COMMANDS RUN "/commands"
#define MOST_CLIENTS 16
#define OWED_AGAIN 0.1 /* seconds */

static struct client clients[MOST_CLIENTS];
static char keeping[] = RUN "/keeping"; /* where who keeps the machine's data comes in, in a folder that is mounted into nobody else */

void answer(int file, const char *format, ...) {
  char text[2048];
  va_list values;
  va_start(values, format);
  int length = vsnprintf(text, sizeof text, format, values);
  va_end(values);
  if (length > (int)sizeof text) length = sizeof text;
  send(file, text, length, MSG_DONTWAIT | MSG_NOSIGNAL); /* who does not read does not get it */
}

/* It is still to be said to who has not read what a container told him before. */
static void pay(struct client *client) {
  if (send(client->file, client->last, client->owed, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EAGAIN) return;
  client->owed = 0;
}

/* The last line of an answer: nothing for "ok", or why not. */
void conclude(struct client *client, const char *format, ...) {
  char text[896] = "ok";
  va_list values;
  va_start(values, format);
  if (format) vsnprintf(text, sizeof text, format, values);
  va_end(values);
  client->owed = snprintf(client->last, sizeof client->last, "%s%s%s\n", client->mark, format ? "error " : "", text);
  *client->mark = 0;
  pay(client);
}

static void leave(struct client *client) {
  go_on(client, "who asked has left");
  unwatch(client->file);
  close(client->file);
  client->file = client->owed = 0;
}

/* One command after the other. */
static void obey_all(struct client *client) {
  for (char *end; client->file && !client->acting && !client->owed && (end = memchr(client->line, '\n', client->used));) {
    size_t length = end + 1 - client->line;
    *end = 0;
    obey(client, client->line);
    client->used -= length;
    memmove(client->line, end + 1, client->used);
  }
}

/* In how many seconds to try again to say what is owed. */
double advance_answers(void) {
  double wait = NEVER;
  for (int i = 0; i < MOST_CLIENTS; i++) {
    struct client *client = &clients[i];
    if (!client->file || !client->owed) continue;
    pay(client);
    if (client->owed) wait = OWED_AGAIN;
    else obey_all(client);
  }
  return wait;
}

static void on_line(int file, void *what) {
  struct client *client = what;
  ssize_t got = recv(file, client->line + client->used, sizeof client->line - client->used, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) return leave(client);
  client->used += got;
  obey_all(client);
  if (client->used == sizeof client->line) leave(client);
}

int act_ended(pid_t pid, int status) {
  for (int i = 0; i < MOST_CLIENTS; i++) {
    struct client *client = &clients[i];
    if (client->acting != pid) continue;
    client->acting = 0;
    int apart = client->apart;
    client->apart = 0;
    if (!client->file) return 1; /* has left */
    if (apart) watch(client->file, on_line, client);
    if (status) conclude(client, "it ended with %d", result(status));
    if (status && apart) return leave(client), 1; /* what it was going to read is no command */
    if (!status) conclude(client, NO_ERROR);
    obey_all(client);
    return 1;
  }
  return 0;
}

static void on_client(int door, void *what) {
  int at = 0, file = accept4(door, NULL, NULL, SOCK_CLOEXEC);
  while (at < MOST_CLIENTS && (clients[at].file || clients[at].acting)) at++;
  if (file < 0) return;
  if (at == MOST_CLIENTS) {
    close(file);
    return;
  }
  clients[at] = (struct client){.file = file, .keeps = what == keeping};
  watch(file, on_line, &clients[at]);
}

/* `what` tells whose it is: without it, root's. */
static void open_door(const char *folder, void *what) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int length = snprintf(address.sun_path, sizeof address.sun_path, "%s/control", folder), fits = length < (int)sizeof address.sun_path;
  folders(folder, 0755);
  if (fits) unlink(address.sun_path);
  mode_t before = umask(0177);
  int failed = !fits || door < 0 || bind(door, (struct sockaddr *)&address, sizeof address) || listen(door, 16);
  umask(before);
  if (!failed && what) failed = chown(address.sun_path, USER, USER);
  if (failed) return say("no commands are taken at %s/control: %s", folder, fits ? strerror(errno) : "too long a name");
  watch(door, on_client, what);
}

void open_control(void) {
  open_door(RUN, NULL);
}

void open_keeping(void) {
  open_door(keeping, keeping);
}

/* For one container, which may then do whatever root may. */
void open_commands(const char *name) {
  static char commanding[] = COMMANDS;
  char folder[256];
  snprintf(folder, sizeof folder, COMMANDS "/%s", name);
  if (!strchr(name, '/')) open_door(folder, commanding);
}
