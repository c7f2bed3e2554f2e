/* The last partition of a disk that is larger than the image that was written to it: taken to the disk's end, with the table's copy.
 *
 * The kernel looks at no copy unless it is told to on its command line, where that would hold for every disk. So the table itself is whole at any
 * moment, as it was or as it is to be: its header, one sector, names the entries, which are written to another place before they are where they
 * were. A firmware that looks at the copy finds it at the disk's new end. */
#include "gpt.h"
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GRAIN 2048 /* sectors */

static void seal(unsigned char *header) {
  put(header + 16, 0, 4);
  put(header + 16, crc32(header, 92), 4);
}

/* On the disk when it returns; not 0 when it is not. */
static int write_sectors(struct gpt *disk, const unsigned char *bytes, int count, uint64_t at) {
  return pwrite(disk->file, bytes, count * SECTOR, at * SECTOR) != count * SECTOR || fsync(disk->file);
}

static int is_last(struct gpt *disk, uint64_t end) {
  for (int i = 0; i < ENTRIES; i++)
    if (number_at(disk->entries + i * ENTRY + 40, 8) > end) return 0;
  return 1;
}

static int write_header(struct gpt *disk, uint64_t entries_at) {
  put(disk->header + 72, entries_at, 8);
  seal(disk->header);
  return write_sectors(disk, disk->header, 1, HEADER);
}

/* The entries lie at SPARE, and from now on where they usually do. */
static int settle(struct gpt *disk) {
  return write_sectors(disk, disk->entries, TABLE, USUAL) || write_header(disk, USUAL);
}

static int write_copy(struct gpt *disk) {
  unsigned char copy[SECTOR];
  memcpy(copy, disk->header, SECTOR);
  put(copy + 24, disk->sectors - 1, 8);
  put(copy + 32, HEADER, 8);
  put(copy + 72, disk->sectors - 1 - TABLE, 8);
  seal(copy);
  return write_sectors(disk, disk->entries, TABLE, disk->sectors - 1 - TABLE) || write_sectors(disk, copy, 1, disk->sectors - 1);
}

/* Not 0 when it failed; then, too, the table is whole. The header that is on the disk names the entries at USUAL. */
static int write_tables(struct gpt *disk) {
  put(disk->header + 32, disk->sectors - 1, 8);
  put(disk->header + 48, disk->sectors - 2 - TABLE, 8);
  put(disk->header + 88, crc32(disk->entries, sizeof disk->entries), 4);
  return write_copy(disk) || write_sectors(disk, disk->entries, TABLE, SPARE) || write_header(disk, SPARE) || settle(disk);
}

static void grow(struct gpt *disk, const char *partition) {
  int sector = 0;
  uint64_t bytes = 0;
  if (ioctl(disk->file, BLKSSZGET, &sector) || sector != SECTOR || ioctl(disk->file, BLKGETSIZE64, &bytes)) return;
  disk->sectors = bytes / SECTOR;
  if (disk->number < 1 || disk->number > 128 || !read_table(disk)) return;
  if (place_of_entries(disk) == SPARE && settle(disk)) return say("state: the table of partitions cannot be written: %s", strerror(errno)); /* the power went */
  unsigned char *entry = disk->entries + (disk->number - 1) * ENTRY;
  uint64_t start = number_at(entry + 32, 8), end = number_at(entry + 40, 8), room = (disk->sectors - 1 - TABLE) / GRAIN * GRAIN;
  if (!is_last(disk, end) || room <= end + GRAIN) return;
  put(entry + 40, room - 1, 8);
  if (write_tables(disk)) return say("state: the table of partitions cannot be written: %s", strerror(errno));
  struct blkpg_partition now = {.start = start * SECTOR, .length = (room - start) * SECTOR, .pno = disk->number};
  struct blkpg_ioctl_arg asked = {.op = BLKPG_RESIZE_PARTITION, .datalen = sizeof now, .data = &now};
  if (ioctl(disk->file, BLKPG, &asked)) return say("state: %s grows at the next start: %s", partition, strerror(errno));
  say("state: %s was grown to the disk's end, %llu MB", partition, (unsigned long long)((room - start) / GRAIN));
}

void grow_partition(const char *partition) {
  static struct gpt disk;
  if (!open_disk(partition, O_RDWR, &disk)) return;
  grow(&disk, partition);
  close(disk.file);
}
