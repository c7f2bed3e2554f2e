/* The two slots of a disk: which one runs, whether it is on trial, and what the boot loader takes next. The loader knows them by the names
 * of programs on the ESP, EFI/Linux/modulux-GENERATION-SLOT[+LEFT[-DONE]].efi: the highest generation is first, those with nothing left
 * are last. The ESP is mounted only while a name is read or changed, and by a process of its own. */
#include "init.h"
#include "slot.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ESP_LABEL "PARTLABEL=modulux-esp"
#define TRIES 50
#define PAUSE 100000 /* microseconds */
#define HASTE 20.0 /* seconds for the process that rejects a slot: its disk may hang */

enum found { KEPT, TRIAL, ALONE, UNKNOWN }; /* ALONE: it is not kept, and there is no better one */
enum answer { GOES = 10, STAYS };

static pid_t looker, blesser, rejecter;
static enum found found = UNKNOWN;
static double patience, haste;
static int damaged, blessed;

int own_slot(void) {
  char word[8];
  return argument("slot", word, sizeof word) && (!strcmp(word, "a") || !strcmp(word, "b")) ? *word : 0;
}

static int read_name(const char *name, struct entry *entry) {
  int used = 0;
  *entry = (struct entry){.left = -1};
  if (strlen(name) >= sizeof entry->name || sscanf(name, "modulux-%u-%c%n", &entry->generation, &entry->slot, &used) != 2 || !used) return 0;
  strcpy(entry->name, name);
  name += used;
  if (*name == '+') entry->left = strtol(name + 1, (char **)&name, 10);
  if (entry->left >= 0 && *name == '-') strtol(name + 1, (char **)&name, 10);
  return !strcmp(name, ".efi") && (entry->slot == 'a' || entry->slot == 'b');
}

/* The programs of both slots; a slot that has several is known by its last. The highest generation. */
unsigned read_entries(struct entry *a, struct entry *b) {
  DIR *list = opendir(PROGRAMS);
  struct entry one;
  unsigned highest = 0;
  *a = *b = (struct entry){.left = 0};
  for (struct dirent *item; list && (item = readdir(list));) {
    if (!read_name(item->d_name, &one)) continue;
    struct entry *its = one.slot == 'a' ? a : b;
    if (one.generation >= its->generation) *its = one;
    if (one.generation > highest) highest = one.generation;
  }
  if (list) closedir(list);
  return highest;
}

int may_start(const struct entry *entry) {
  return *entry->name && entry->left != 0;
}

int rename_entry(struct entry *entry, unsigned generation, const char *counter) {
  char from[256], to[256];
  snprintf(from, sizeof from, PROGRAMS "/%s", entry->name);
  snprintf(to, sizeof to, PROGRAMS "/modulux-%u-%c%s.efi", generation, entry->slot, counter);
  if (strcmp(from, to) && rename(from, to)) {
    say("%s cannot be renamed: %s", from, strerror(errno));
    return -1;
  }
  return 0;
}

/* Seen by this process alone, which is to end soon. */
int mount_esp(int writable) {
  char disk[128];
  folders(ESP, 0700);
  if (!find_disk(ESP_LABEL, disk, sizeof disk, 5)) return -1;
  if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
    if (getpid() != 1) return -1;
  }
  unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | (writable ? 0 : MS_RDONLY);
  for (int tries = 0; tries < TRIES; tries++) {
    if (mount(disk, ESP, "vfat", flags, "umask=0077") == 0) return 0;
    if (errno != EBUSY) break;
    usleep(PAUSE); /* another such process, about to end, has it the other way: to be written, or only to be read */
  }
  say("cannot mount %s (vfat) at %s: %s", disk, ESP, strerror(errno));
  return -1;
}

void unmount_esp(void) {
  sync();
  umount(ESP);
}

static enum found look(void) {
  struct entry a, b;
  if (mount_esp(0)) return UNKNOWN;
  read_entries(&a, &b);
  unmount_esp();
  struct entry *own = own_slot() == 'a' ? &a : &b, *other = own == &a ? &b : &a;
  if (!*own->name) return UNKNOWN;
  return own->left < 0 ? KEPT : may_start(other) ? TRIAL : ALONE;
}

static int bless(void) {
  struct entry a, b;
  if (mount_esp(1)) return -1;
  read_entries(&a, &b);
  struct entry *own = own_slot() == 'a' ? &a : &b;
  int failed = !*own->name || rename_entry(own, own->generation, "");
  unmount_esp();
  if (!failed) say("the slot %c is kept: its desktop is ready", own->slot);
  return failed;
}

/* Take this slot behind the other one, if that may be started. */
static enum answer reject(void) {
  struct entry a, b;
  if (mount_esp(1)) return STAYS;
  read_entries(&a, &b);
  struct entry *own = own_slot() == 'a' ? &a : &b, *other = own == &a ? &b : &a;
  int goes = may_start(other);
  if (goes && *own->name && own->left != 0) rename_entry(own, own->generation, "+0-1");
  unmount_esp();
  return goes ? GOES : STAYS;
}

/* In the initramfs, or when nothing works: without the loop. */
void give_slot_up(void) {
  if (!own_slot()) return;
  wait_for_beside(); /* the driver of the boot partition's file system is among what is loaded there */
  if (reject() == GOES) say("the slot %c cannot be used: the other one is started", own_slot());
  else say("the slot %c cannot be used, and there is no other one", own_slot());
}

/* Before there is a loop, and by a process of its own: whether the other one will be started. */
int leave_slot(void) {
  int status = 0;
  pid_t pid = branch("slot");
  if (pid == 0) _exit(reject());
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return pid > 0 && result(status) == GOES;
}

void begin_slot(void) {
  char seconds[32];
  if (!own_slot()) return;
  patience = argument("try", seconds, sizeof seconds) ? atof(seconds) : 300;
  patience += now(); /* the clock of an emulator may have begun long before */
  looker = branch("slot");
  if (looker == 0) _exit(look());
}

static void begin_to_reject(void) {
  if (rejecter || haste) return;
  haste = now() + HASTE;
  rejecter = branch("slot");
  if (rejecter == 0) _exit(reject());
}

void slot_damaged(const char *part, const char *block) {
  static char said[2][16];
  for (int i = 0; i < 2 && damaged; i++)
    if (!strcmp(said[i], part)) return; /* once for each part, the kernel says the rest */
  if (damaged == 2) return;
  snprintf(said[damaged++], sizeof *said, "%s", part);
  say("DAMAGED: the %s is not what was built (block %s); what cannot be trusted is not read", part, block);
  if (!own_slot()) return say("there is no other slot: the machine goes on as far as it can");
  begin_to_reject();
}

static void next_slot(void) {
  if (!ending) end_machine(RB_AUTOBOOT, damaged ? "this slot is damaged, the other one is started" : "this slot was not ready in time, the other one is started");
}

double advance_slot(void) {
  if (ending || !own_slot()) return NEVER;
  if (haste && now() > haste && rejecter) {
    next_slot();
    return NEVER;
  }
  if (haste && rejecter) return haste - now();
  if (machine_ready && !damaged && !blessed && (found == TRIAL || found == ALONE)) {
    blessed = 1;
    blesser = branch("slot");
    if (blesser == 0) _exit(bless() != 0);
  }
  if (found != TRIAL || machine_ready || damaged) return NEVER;
  if (now() < patience) return patience - now();
  say("TRIAL: the desktop is not ready after %.0f s", now());
  begin_to_reject();
  return HASTE;
}

int slot_helper_ended(pid_t pid, int status) {
  if (pid == looker) {
    looker = 0;
    found = result(status) <= UNKNOWN ? (enum found)result(status) : UNKNOWN;
    if (found == TRIAL) say("the slot %c is on trial: its desktop must be ready at %.0f s", own_slot(), patience);
  } else if (pid == blesser) {
    blesser = 0;
  } else if (pid == rejecter) {
    rejecter = 0;
    if (result(status) == GOES) next_slot();
    else say("there is no other slot: the machine goes on as far as it can");
  } else {
    return 0;
  }
  return 1;
}
