/* The boot programs of the two slots on the ESP; for processes that have mounted it. */
#ifndef SLOT_H
#define SLOT_H
#define ESP RUN "/esp"
#define PROGRAMS ESP "/EFI/Linux"

struct entry {
  char name[128]; /* empty: the slot has no program */
  unsigned generation;
  char slot;
  int left; /* tries; -1: as many as it takes */
};

int mount_esp(int writable);
void unmount_esp(void);
unsigned read_entries(struct entry *a, struct entry *b);
int may_start(const struct entry *entry);
int rename_entry(struct entry *entry, unsigned generation, const char *counter);
#endif
