/* Bytes that come by the control port; for processes whose standard input it is. */
#ifndef TRANSFER_H
#define TRANSFER_H
#include <stdint.h>

#define NOT_WRITTEN 2

int tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
int refuse(const char *what);
int take(int file, uint64_t at, uint64_t size, void (*note)(uint64_t at));
int is_what_was_sent(int file, uint64_t size, const char *sum);
int is_sum(const char *text);
int obey_slots(char **words); /* receive.c */
#endif
