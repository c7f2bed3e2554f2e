/* The used blocks of an ext4 that nobody has mounted: copied to another disk, and compared with what lies there then. */
#include "move.h"
#include "init.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PIECE (1 << 20)
#define META_BG 0x10
#define WIDE 0x80
#define FLEX 0x200
#define BIGALLOC 0x200
#define NO_BITMAP 2 /* of a group that holds nothing but a copy of the table of groups */
#define TOLD 10.0   /* seconds between words on the console */

static unsigned char piece[PIECE], other[PIECE], bitmap[65536];

struct ext4 {
  int file, whole; /* whole: which blocks are used is not looked up */
  uint64_t blocks, block, first, in_group, used;
  unsigned described, head; /* bytes of a group's description; blocks at the begin of a group that has a copy of the table */
  uint32_t features;
};

struct work {
  const char *doing;
  int from, to;
  int (*call)(const struct work *work, uint64_t at, size_t length);
  uint64_t done, all;
  double told;
};

static uint64_t number(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  while (bytes--) value = value << 8 | at[bytes];
  return value;
}

static int read_super(int file, unsigned char super[1024]) {
  return pread(file, super, 1024, 1024) == 1024 && super[0x38] == 0x53 && super[0x39] == 0xef;
}

/* How many bytes it spans, and its own number; 0 when it is none. */
int ext4_facts(int file, uint64_t *bytes, unsigned char uuid[16]) {
  unsigned char super[1024];
  if (!read_super(file, super)) return 0;
  uint64_t blocks = number(super + 4, 4) | (number(super + 0x60, 4) & WIDE ? number(super + 0x150, 4) << 32 : 0);
  *bytes = blocks << (10 + (super[0x18] & 7));
  memcpy(uuid, super + 0x68, 16);
  return 1;
}

static int open_ext4(int file, struct ext4 *fs) {
  unsigned char super[1024], uuid[16];
  uint64_t bytes;
  if (!read_super(file, super) || !ext4_facts(file, &bytes, uuid)) return 0;
  *fs = (struct ext4){.file = file, .block = 1024ull << (super[0x18] & 7), .features = number(super + 0x60, 4)};
  fs->blocks = bytes / fs->block;
  fs->first = number(super + 0x14, 4);
  fs->in_group = number(super + 0x20, 4);
  fs->described = fs->features & WIDE ? number(super + 0xfe, 2) : 32;
  fs->whole = fs->features & META_BG || number(super + 0x64, 4) & BIGALLOC;
  if (!fs->in_group || fs->in_group > 8 * sizeof bitmap || fs->described < 32) return 0;
  uint64_t groups = (fs->blocks - fs->first + fs->in_group - 1) / fs->in_group;
  fs->head = 1 + (groups * fs->described + fs->block - 1) / fs->block + number(super + 0xce, 2);
  uint64_t free = number(super + 0xc, 4) | (fs->features & WIDE ? number(super + 0x158, 4) << 32 : 0);
  fs->used = fs->whole ? fs->blocks : fs->blocks - free;
  return 1;
}

/* Which of a group's blocks are used, as bits; 0 when it cannot be read. */
static int look_up(const struct ext4 *fs, uint64_t group) {
  unsigned char told[64] = {0};
  memset(bitmap, 0xff, sizeof bitmap);
  if (fs->whole) return 1;
  size_t size = fs->described < sizeof told ? fs->described : sizeof told;
  if (pread(fs->file, told, size, (fs->first + 1) * fs->block + group * fs->described) != (ssize_t)size) return 0;
  uint64_t at = number(told, 4) | (size == sizeof told ? number(told + 0x20, 4) << 32 : 0);
  if (!(told[0x12] & NO_BITMAP)) return pread(fs->file, bitmap, fs->in_group / 8, at * fs->block) == (ssize_t)(fs->in_group / 8);
  if (!(fs->features & FLEX)) return 1; /* its own tables lie in it */
  for (uint64_t i = fs->head; i < fs->in_group; i++) bitmap[i / 8] &= ~(1 << i % 8);
  return 1;
}

static int is_used(uint64_t i) {
  return bitmap[i / 8] >> i % 8 & 1;
}

/* What lies in the head is left out. */
static int do_run(struct work *work, uint64_t at, uint64_t end) {
  if (at < HEAD) at = HEAD;
  for (; at < end; at += PIECE) {
    size_t length = end - at < PIECE ? end - at : PIECE;
    if (!work->call(work, at, length)) return 0;
    work->done += length;
    if (now() - work->told < TOLD) continue;
    work->told = now();
    say("state: %s, %llu of %llu MB", work->doing, (unsigned long long)work->done >> 20, (unsigned long long)work->all >> 20);
  }
  return 1;
}

static int walk(struct work *work) {
  struct ext4 fs;
  if (!open_ext4(work->from, &fs)) return 0;
  work->all = fs.used * fs.block;
  work->told = now();
  for (uint64_t group = 0, start = fs.first; start < fs.blocks; group++, start += fs.in_group) {
    uint64_t count = fs.blocks - start < fs.in_group ? fs.blocks - start : fs.in_group;
    if (!look_up(&fs, group)) return 0;
    for (uint64_t i = 0; i < count;) {
      uint64_t begin = i;
      while (i < count && is_used(i)) i++;
      if (i > begin && !do_run(work, (start + begin) * fs.block, (start + i) * fs.block)) return 0;
      while (i < count && !is_used(i)) i++;
    }
  }
  return 1;
}

static int copy(const struct work *work, uint64_t at, size_t length) {
  return pread(work->from, piece, length, at) == (ssize_t)length && pwrite(work->to, piece, length, at) == (ssize_t)length;
}

static int compare(const struct work *work, uint64_t at, size_t length) {
  return pread(work->from, piece, length, at) == (ssize_t)length && pread(work->to, other, length, at) == (ssize_t)length && !memcmp(piece, other, length);
}

/* All but the head; NULL, or what went wrong. */
const char *copy_blocks(int from, int to) {
  struct work work = {.doing = "copied", .from = from, .to = to, .call = copy};
  if (!walk(&work) || fsync(to)) return "a block cannot be read or written";
  say("state: %llu MB were copied", (unsigned long long)work.done >> 20);
  return NULL;
}

const char *compare_blocks(int from, int to) {
  struct work work = {.doing = "compared", .from = from, .to = to, .call = compare};
  posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED); /* from the disk, not from memory */
  return walk(&work) ? NULL : "what lies on the disk is not what was written";
}
