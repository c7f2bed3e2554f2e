/* Who commands the machine, and how he is answered. */
#ifndef CLIENT_H
#define CLIENT_H
#include <stddef.h>
#include <sys/types.h>

#define NO_ERROR NULL

struct client {
  int file; /* 0: nobody */
  pid_t acting;
  int apart; /* that process alone reads what comes */
  int keeps; /* it came by the socket of who keeps the machine's data */
  size_t used, owed;
  char line[4096], mark[64], last[1024]; /* last: the end of an answer that there was no room for yet, `owed` bytes */
};

/* control.c */
void answer(int file, const char *format, ...) __attribute__((format(printf, 2, 3)));
void conclude(struct client *client, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* command.c */
void obey(struct client *client, char *line);
#endif
