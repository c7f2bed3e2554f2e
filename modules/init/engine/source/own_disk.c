/* The disk from which this machine was started. Partitions have the same names on each disk with a machine, and only one of those is meant. The boot
 * loader, or the boot program itself, tells which partition it came from: the Boot Loader Interface (systemd), LoaderDevicePartUUID. */
#include "gpt.h"
#include "init.h"
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRMWARE "/sys/firmware/efi"
#define TOLD "LoaderDevicePartUUID-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f"
#define ATTRIBUTES 4 /* bytes, before a variable's own */
#define LETTERS 36
#define UNIQUE 16 /* where an entry of a table has its partition's own number, */
#define BYTES 16  /* which has so many */

static int seen;

/* Attached nowhere: nobody else needs them. The C library has no names for these calls. */
static int open_variable(void) {
  int system = access(FIRMWARE, F_OK) ? -1 : (int)syscall(SYS_fsopen, "efivarfs", FSOPEN_CLOEXEC), variables = -1, file = -1;
  if (system >= 0 && !syscall(SYS_fsconfig, system, FSCONFIG_CMD_CREATE, NULL, NULL, 0)) variables = (int)syscall(SYS_fsmount, system, FSMOUNT_CLOEXEC, 0);
  if (variables >= 0) file = openat(variables, TOLD, O_RDONLY | O_CLOEXEC);
  if (variables >= 0) close(variables);
  if (system >= 0) close(system);
  return file;
}

/* As a table of partitions has it: of the five groups the first three begin with their last byte. */
static int as_bytes(const char *text, unsigned char *id) {
  static const int at[BYTES] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  for (int i = 0; i < BYTES; i++) {
    unsigned byte;
    if (*text == '-') text++;
    if (sscanf(text, "%2x", &byte) != 1) return 0;
    id[at[i]] = byte;
    text += 2;
  }
  return 1;
}

/* Letters are of two bytes there. */
static int read_told(unsigned char *id) {
  char text[LETTERS + 1] = "";
  unsigned char wide[ATTRIBUTES + 2 * LETTERS];
  int file = open_variable(), whole = file >= 0 && read(file, wide, sizeof wide) == sizeof wide;
  if (file >= 0) close(file);
  for (int i = 0; whole && i < LETTERS; i++) text[i] = wide[ATTRIBUTES + 2 * i];
  return whole && as_bytes(text, id);
}

static int has_partition(const struct gpt *disk, const unsigned char *id) {
  for (int i = 0; i < ENTRIES; i++)
    if (!memcmp(disk->entries + i * ENTRY + UNIQUE, id, BYTES)) return 1;
  return 0;
}

/* Whether a partition lies on that disk; each does where nobody tells of it. */
int is_on_own_disk(const char *partition) {
  static enum { UNASKED, KNOWN, UNKNOWN } told;
  static unsigned char id[BYTES];
  static struct gpt disk;
  if (told == UNASKED) told = read_told(id) ? KNOWN : UNKNOWN;
  if (told == UNKNOWN) return 1;
  if (!open_disk(partition, O_RDONLY, &disk)) return 0;
  int own = read_table(&disk) && has_partition(&disk, id);
  close(disk.file);
  seen |= own;
  return own;
}

int own_disk_seen(void) {
  return seen;
}
