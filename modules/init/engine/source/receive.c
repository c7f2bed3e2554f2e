/* The slot that does not run, filled from outside: verbs of command.c, each in a process of its own.
 *
 *   slots                     which slots there are, and how much the other one can take
 *   clear                     the other slot cannot be started any more: it is going to be written
 *   receive PART SIZE SHA256  system, store or boot. Answered by "at OFFSET"; then the bytes from there come. What had arrived when the line
 *                             broke or the power went need not be sent again, but for the boot program, which lies in memory until it is placed
 *   place                     all that was received is there and is what was sent: the other slot is tried at the next start
 *   rollback                  the other slot is tried at the next start as it is */
#include "init.h"
#include "sha256.h"
#include "slot.h"
#include "transfer.h"
#include "update.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RECEIVED RUN "/receive"
#define BOOT RECEIVED "/boot.efi"
#define NOTES "/state/receive" /* how far each slot's system and store have got */
#define PLACED PROGRAMS "/modulux.part"

static const char *const parts[] = {"system", "store", "boot", NULL};
static const char *coming, *coming_sum; /* of the part that is being received */
static int coming_to;
static unsigned char bytes[256 * 1024];

static int other_slot(void) {
  return own_slot() == 'a' ? 'b' : 'a';
}

static int open_part(const char *part, int flags) {
  char wanted[64], disk[128];
  if (!strcmp(part, "boot")) return open(BOOT, flags | O_CREAT | O_CLOEXEC, 0600);
  snprintf(wanted, sizeof wanted, "PARTLABEL=modulux-%s-%c", part, other_slot());
  return find_disk(wanted, disk, sizeof disk, 0) ? open(disk, flags | O_CLOEXEC) : -1;
}

static uint64_t room_for(const char *part) {
  uint64_t room = 0;
  int file = strcmp(part, "boot") ? open_part(part, O_RDONLY) : -1;
  if (file < 0 || ioctl(file, BLKGETSIZE64, &room)) room = 0;
  if (file >= 0) close(file);
  return room;
}

static void note_path(const char *part, char *path, size_t size, const char *end) {
  if (strcmp(part, "boot")) snprintf(path, size, NOTES "/%c/%s%s", other_slot(), part, end);
  else snprintf(path, size, RECEIVED "/boot.note%s", end);
}

/* How far a part has got, if it is the one with this sum. */
static uint64_t noted(const char *part, const char *sum) {
  char path[128], text[160], its[65] = "";
  unsigned long long offset = 0;
  note_path(part, path, sizeof path, "");
  return read_text(path, text, sizeof text) && sscanf(text, "%64s %llu", its, &offset) == 2 && !strcmp(its, sum) ? offset : 0;
}

static void make_sure(const char *path, int flags) {
  int file = open(path, flags | O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  close(file);
}

/* On the disk when it returns, whole or as it was. What it speaks of must be there already. */
static void note(const char *part, const char *sum, uint64_t offset) {
  char path[128], new[128], text[160];
  note_path(part, path, sizeof path, "");
  note_path(part, new, sizeof new, ".new");
  snprintf(text, sizeof text, "%s %llu\n", sum, (unsigned long long)offset);
  if (write_text(new, text)) return; /* a full disk costs the note, nothing else */
  make_sure(new, 0);
  if (rename(new, path)) return;
  *strrchr(path, '/') = 0;
  make_sure(path, O_DIRECTORY);
}

/* Of a part that was read from the disk as it was sent: its sum and size, for as long as the machine runs. What lies there may be another's later. */
static int is_whole(const char *part, char sum[65], uint64_t *size) {
  char path[128], text[160];
  unsigned long long bytes;
  snprintf(path, sizeof path, RECEIVED "/%s.whole", part);
  if (!read_text(path, text, sizeof text) || sscanf(text, "%64s %llu", sum, &bytes) != 2) return 0;
  *size = bytes;
  return 1;
}

static void call_whole(const char *part, const char *sum, uint64_t size) {
  char path[128], text[160];
  snprintf(path, sizeof path, RECEIVED "/%s.whole", part);
  snprintf(text, sizeof text, "%s %llu\n", sum, (unsigned long long)size);
  if (size) write_text(path, text);
  else unlink(path);
}

static const char *entry_state(const struct entry *entry) {
  return !*entry->name ? "empty" : entry->left < 0 ? "kept" : entry->left ? "trial" : "failed";
}

static int show_slots(void) {
  struct entry a, b;
  struct statvfs facts;
  struct stat program = {.st_size = 0};
  char path[256];
  if (mount_esp(0)) return tell("error the boot programs cannot be read\n");
  read_entries(&a, &b);
  struct entry *other = own_slot() == 'a' ? &b : &a;
  snprintf(path, sizeof path, PROGRAMS "/%s", other->name);
  if (*other->name) stat(path, &program);
  statvfs(ESP, &facts);
  unmount_esp();
  tell("slot\ta\t%s\t%s\nslot\tb\t%s\t%s\n", other == &b ? "running" : "-", entry_state(&a), other == &a ? "running" : "-", entry_state(&b));
  tell("room\tsystem\t%llu\nroom\tstore\t%llu\n", (unsigned long long)room_for("system"), (unsigned long long)room_for("store"));
  return tell("room\tboot\t%llu\n", (unsigned long long)facts.f_bavail * facts.f_frsize + program.st_size) - 1;
}

static int clear(void) {
  struct entry a, b;
  char path[256];
  if (mount_esp(1)) return tell("error the boot programs cannot be changed\n");
  read_entries(&a, &b);
  struct entry *own = own_slot() == 'a' ? &a : &b, *other = own == &a ? &b : &a;
  int on_trial = own->left >= 0;
  for (int i = 0; i < 8 && !on_trial && *other->name; i++) {
    snprintf(path, sizeof path, PROGRAMS "/%s", other->name);
    if (unlink(path)) break;
    read_entries(&a, &b);
  }
  int failed = *other->name != 0;
  unlink(PLACED);
  unmount_esp();
  if (on_trial) return tell("error this slot is itself on trial: the other one is needed\n");
  if (!failed) tidy_updates(1); /* those of a system that is going to be overwritten */
  return failed ? refuse("the boot program of the other slot cannot be removed") : 0;
}

static void note_how_far(uint64_t at) {
  fsync(coming_to);
  note(coming, coming_sum, at);
}

static int receive(const char *part, uint64_t size, const char *sum) {
  char path[128], its[65];
  uint64_t all;
  int known = 0;
  for (int i = 0; parts[i]; i++) known |= !strcmp(part, parts[i]);
  if (!known || !size || !is_sum(sum)) return tell("error receive PART SIZE SHA256\n");
  folders(RECEIVED, 0700);
  note_path(part, path, sizeof path, "");
  *strrchr(path, '/') = 0;
  folders(path, 0700);
  int file = open_part(part, O_RDWR);
  if (file < 0) return refuse("the other slot cannot be written");
  if (strcmp(part, "boot") && room_for(part) < size) return tell("error the %s of the other slot has no room for it\n", part);
  if (is_whole(part, its, &all) && !strcmp(its, sum) && all == size) return tell("at\t%llu\n", (unsigned long long)size) - 1;
  uint64_t at = noted(part, sum);
  if (at > size) at = 0;
  call_whole(part, sum, 0);
  note(part, sum, at); /* before anything else is written: what was noted is of another */
  if (!strcmp(part, "boot") && ftruncate(file, size)) return refuse("there is no room for it");
  tell("at\t%llu\n", (unsigned long long)at);
  coming = part;
  coming_sum = sum;
  coming_to = file;
  if (take(file, at, size, note_how_far)) return 1;
  if (is_what_was_sent(file, size, sum)) return call_whole(part, sum, size), 0;
  note(part, sum, 0);
  return tell("error what lies on the disk is not what was sent\n");
}

static int copy_to_esp(uint64_t size, const char *sum) {
  int in = open(BOOT, O_RDONLY | O_CLOEXEC), out = open(PLACED, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ssize_t got = -1;
  while (in >= 0 && out >= 0 && (got = read(in, bytes, sizeof bytes)) > 0)
    if (write(out, bytes, got) != got) return -1;
  return got == 0 && is_what_was_sent(out, size, sum) && close(out) == 0 ? 0 : -1;
}

static int place(void) {
  struct entry a, b;
  char sum[65], to[128];
  uint64_t size = 0;
  for (int i = 0; parts[i]; i++) /* the last is the boot program */
    if (!is_whole(parts[i], sum, &size)) return tell("error the %s has not arrived whole\n", parts[i]);
  if (mount_esp(1)) return tell("error the boot programs cannot be changed\n");
  unsigned highest = read_entries(&a, &b);
  int failed = copy_to_esp(size, sum);
  sync();
  snprintf(to, sizeof to, PROGRAMS "/modulux-%u-%c+1.efi", highest + 1, other_slot());
  if (!failed) failed = rename(PLACED, to);
  if (failed) unlink(PLACED);
  int why = errno;
  unmount_esp();
  errno = why;
  if (failed) return refuse("the boot program cannot be put in its place");
  remove_tree(RECEIVED);
  remove_tree(NOTES);
  say("the slot %c is tried at the next start", other_slot());
  return 0;
}

static int roll_back(void) {
  struct entry a, b;
  if (mount_esp(1)) return tell("error the boot programs cannot be changed\n");
  unsigned highest = read_entries(&a, &b);
  struct entry *other = own_slot() == 'a' ? &b : &a;
  int there = may_start(other), failed = !there || rename_entry(other, highest + 1, "+1");
  unmount_esp();
  if (!there) return tell("error the other slot is %s\n", *other->name ? "one that failed" : "empty");
  return failed ? tell("error the boot program cannot be renamed\n") : 0;
}

int obey_slots(char **words) {
  if (!own_slot()) return tell("error this machine was not started from a disk with two slots\n");
  if (!strcmp(words[0], "slots")) return show_slots();
  if (!strcmp(words[0], "clear")) return clear();
  if (!strcmp(words[0], "place")) return place();
  if (!strcmp(words[0], "rollback")) return roll_back();
  return words[1] && words[2] && words[3] ? receive(words[1], strtoull(words[2], NULL, 10), words[3]) : tell("error receive PART SIZE SHA256\n");
}
