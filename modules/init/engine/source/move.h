/* The state on another disk: what is noted of it, and where. */
#ifndef MOVE_H
#define MOVE_H
#include <stddef.h>
#include <stdint.h>

#define MOVE "/state/move"
#define WANTED MOVE "/wanted"   /* a line (struct move) of what was asked for */
#define REFUSED MOVE "/refused" /* why that was not done */
#define GENERATION MOVE "/generation" /* a number: how often it went back to a disk that it had been moved from */

struct move {
  char name[64], id[128]; /* of the disk: as the kernel calls it now, and what stays the same; id may be "-" */
  uint64_t bytes;
  char how[16];        /* "blank": it must hold nothing; "erase" */
  unsigned generation; /* that the state has; a disk with a lesser one was left */
};

/* move.c */
int read_move(const char *path, struct move *move);
unsigned generation_at(const char *path);
void disk_id(const char *name, char *id, size_t size);
int is_whole(const char *name);
uint64_t bytes_of(int file);
int is_blank(int file, uint64_t bytes);

/* blocks.c: an ext4 that nobody has mounted */
#define HEAD 4096 /* bytes, without which nothing on a disk is known for a file system */
int ext4_facts(int file, uint64_t *bytes, unsigned char uuid[16]);
const char *copy_blocks(int from, int to);
const char *compare_blocks(int from, int to);

/* disks.c: in a process of its own */
int obey_disks(char **words);
#endif
