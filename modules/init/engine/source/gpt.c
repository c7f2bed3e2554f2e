/* A disk's table of partitions, read. */
#include "gpt.h"
#include "init.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t number_at(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  while (bytes--) value = value << 8 | at[bytes];
  return value;
}

void put(unsigned char *at, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; i++) at[i] = value >> 8 * i;
}

uint32_t crc32(const unsigned char *at, size_t length) {
  uint32_t crc = ~0u;
  while (length--) {
    crc ^= *at++;
    for (int i = 0; i < 8; i++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

static int read_sectors(struct gpt *disk, unsigned char *bytes, int count, uint64_t at) {
  return pread(disk->file, bytes, count * SECTOR, at * SECTOR) == count * SECTOR;
}

uint64_t place_of_entries(const struct gpt *disk) {
  return number_at(disk->header + 72, 8);
}

/* Only a table as our images have it, which leave room before the first partition. */
int read_table(struct gpt *disk) {
  unsigned char header[92];
  if (!read_sectors(disk, disk->header, 1, HEADER)) return 0;
  memcpy(header, disk->header, sizeof header);
  if (memcmp(header, "EFI PART", 8) || number_at(header + 12, 4) != 92 || number_at(header + 40, 8) < SPARE + TABLE) return 0;
  if (number_at(header + 80, 4) != ENTRIES || number_at(header + 84, 4) != ENTRY) return 0;
  uint32_t told = number_at(header + 16, 4);
  put(header + 16, 0, 4);
  if (told != crc32(header, sizeof header) || (place_of_entries(disk) != USUAL && place_of_entries(disk) != SPARE)) return 0;
  return read_sectors(disk, disk->entries, TABLE, place_of_entries(disk)) && number_at(header + 88, 4) == crc32(disk->entries, sizeof disk->entries);
}

int open_disk(const char *partition, int flags, struct gpt *disk) {
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
  disk->file = open(whole, flags | O_CLOEXEC);
  return disk->file >= 0;
}
