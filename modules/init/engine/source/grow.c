/* The last partition of a disk that is larger than the image that was written to it: taken to the disk's end, with the table's copy. */
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

#define SECTOR 512
#define TABLE 32 /* sectors: 128 entries of 128 bytes */
#define GRAIN 2048
#define ENTRY 128

struct disk {
  int file, number; /* of the partition, from 1 */
  uint64_t sectors;
  unsigned char head[(1 + TABLE) * SECTOR]; /* the header and the entries behind it */
};

static uint64_t number_at(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  while (bytes--) value = value << 8 | at[bytes];
  return value;
}

static void put(unsigned char *at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = value >> 8 * i;
}

static uint32_t crc32(const unsigned char *at, size_t length) {
  uint32_t crc = ~0u;
  while (length--) {
    crc ^= *at++;
    for (int i = 0; i < 8; i++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

static void seal(unsigned char *header) {
  put(header + 16, 0, 4);
  put(header + 16, crc32(header, 92), 4);
}

/* Only a table as our images have it. */
static int is_ours(struct disk *disk) {
  unsigned char header[92];
  memcpy(header, disk->head, sizeof header);
  if (memcmp(header, "EFI PART", 8) || number_at(header + 12, 4) != 92 || number_at(header + 72, 8) != 2) return 0;
  if (number_at(header + 80, 4) != 128 || number_at(header + 84, 4) != ENTRY) return 0;
  uint32_t told = number_at(header + 16, 4);
  put(header + 16, 0, 4);
  return told == crc32(header, sizeof header) && number_at(header + 88, 4) == crc32(disk->head + SECTOR, TABLE * SECTOR);
}

static int is_last(struct disk *disk, uint64_t end) {
  for (int i = 0; i < 128; i++)
    if (number_at(disk->head + SECTOR + i * ENTRY + 40, 8) > end) return 0;
  return 1;
}

/* The copy at the end first: whichever is read after a power cut is whole. */
static int write_tables(struct disk *disk) {
  unsigned char *header = disk->head, copy[SECTOR];
  put(header + 32, disk->sectors - 1, 8);
  put(header + 48, disk->sectors - 2 - TABLE, 8);
  put(header + 88, crc32(header + SECTOR, TABLE * SECTOR), 4);
  seal(header);
  memcpy(copy, header, SECTOR);
  put(copy + 24, disk->sectors - 1, 8);
  put(copy + 32, 1, 8);
  put(copy + 72, disk->sectors - 1 - TABLE, 8);
  seal(copy);
  if (pwrite(disk->file, header + SECTOR, TABLE * SECTOR, (disk->sectors - 1 - TABLE) * SECTOR) != TABLE * SECTOR) return -1;
  if (pwrite(disk->file, copy, SECTOR, (disk->sectors - 1) * SECTOR) != SECTOR || fsync(disk->file)) return -1;
  return pwrite(disk->file, header, sizeof disk->head, SECTOR) != sizeof disk->head || fsync(disk->file);
}

static int open_disk(const char *partition, struct disk *disk) {
  char path[256], link[512], text[32], whole[128];
  const char *name = strrchr(partition, '/') + 1;
  snprintf(path, sizeof path, "/sys/class/block/%s/partition", name);
  if (!read_text(path, text, sizeof text)) return 0;
  disk->number = atoi(text);
  snprintf(path, sizeof path, "/sys/class/block/%s", name);
  ssize_t length = readlink(path, link, sizeof link - 1);
  if (length <= 0) return 0;
  link[length] = 0;
  *strrchr(link, '/') = 0;
  snprintf(whole, sizeof whole, "/dev/%s", strrchr(link, '/') + 1);
  disk->file = open(whole, O_RDWR | O_CLOEXEC);
  return disk->file >= 0;
}

static void grow(struct disk *disk, const char *partition) {
  int sector = 0;
  uint64_t bytes = 0;
  if (ioctl(disk->file, BLKSSZGET, &sector) || sector != SECTOR || ioctl(disk->file, BLKGETSIZE64, &bytes)) return;
  disk->sectors = bytes / SECTOR;
  if (disk->number < 1 || disk->number > 128 || pread(disk->file, disk->head, sizeof disk->head, SECTOR) != sizeof disk->head) return;
  unsigned char *entry = disk->head + SECTOR + (disk->number - 1) * ENTRY;
  uint64_t start = number_at(entry + 32, 8), end = number_at(entry + 40, 8), room = (disk->sectors - 1 - TABLE) / GRAIN * GRAIN;
  if (!is_ours(disk) || !is_last(disk, end) || room <= end + GRAIN) return;
  put(entry + 40, room - 1, 8);
  if (write_tables(disk)) return say("state: the table of partitions cannot be written: %s", strerror(errno));
  struct blkpg_partition now = {.start = start * SECTOR, .length = (room - start) * SECTOR, .pno = disk->number};
  struct blkpg_ioctl_arg asked = {.op = BLKPG_RESIZE_PARTITION, .datalen = sizeof now, .data = &now};
  if (ioctl(disk->file, BLKPG, &asked)) return say("state: %s grows at the next start: %s", partition, strerror(errno));
  say("state: %s was grown to the disk's end, %llu MB", partition, (unsigned long long)((room - start) / GRAIN));
}

void grow_partition(const char *partition) {
  static struct disk disk;
  if (!open_disk(partition, &disk)) return;
  grow(&disk, partition);
  close(disk.file);
}
