/* A disk's table of partitions (GPT, as the UEFI specification has it), of sectors of 512 bytes. */
#include <stddef.h>
#include <stdint.h>

#define SECTOR 512
#define TABLE 32 /* sectors: 128 entries of 128 bytes */
#define ENTRIES 128
#define ENTRY 128
#define HEADER 1              /* sectors: where the header lies, */
#define USUAL (HEADER + 1)    /* where the entries do, */
#define SPARE (USUAL + TABLE) /* and where they do while those are written */

struct gpt {
  int file, number; /* of the partition, from 1 */
  uint64_t sectors;
  unsigned char header[SECTOR], entries[TABLE * SECTOR];
};

uint64_t number_at(const unsigned char *at, int bytes);
void put(unsigned char *at, uint64_t value, int bytes);
uint32_t crc32(const unsigned char *at, size_t length);
uint64_t place_of_entries(const struct gpt *disk);
int open_disk(const char *partition, int flags, struct gpt *disk); /* that which it is a part of; 0 when it is of none */
int read_table(struct gpt *disk);
