/* A slot that is kept, and whose systemd dies before this program could say why: each start is noted on the state, and the notes are taken
 * away when the desktop is ready, or systemd has lived for a while. After a few such starts in a row the other slot is taken. */
#include "init.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NOTE "/state/starts" /* the slot, and how often it was started */
#define MOST_STARTS 3
#ifndef LIVES
#define LIVES 60.0 /* seconds: systemd has lived */
#endif

static int note_start(int count) {
  char text[32];
  int length = snprintf(text, sizeof text, "%c %d\n", own_slot(), count);
  int file = open(NOTE ".part", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  int failed = file < 0 || write(file, text, length) != length || fsync(file) || rename(NOTE ".part", NOTE);
  if (file >= 0) close(file);
  int top = open("/state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  fsync(top); /* whatever comes of systemd */
  close(top);
  return failed;
}

/* Whether there is another slot that is started in its place. */
int is_started_in_vain(void) {
  char text[32], slot = 0;
  int count = 0;
  if (!own_slot() || !state_kept) return 0;
  if (!read_text(NOTE, text, sizeof text) || sscanf(text, "%c %d", &slot, &count) != 2 || slot != own_slot()) count = 0;
  if (count >= MOST_STARTS) {
    say("the slot %c was started %d times, and its systemd lived for none of them", own_slot(), count);
    if (leave_slot()) return 1;
    say("there is no other slot: it is tried again");
  }
  note_start(count + 1); /* where that fails, the disk does: this start is as any other */
  return 0;
}

/* Once this program runs under systemd: from now on it hears of damage itself. */
void look_at_start(void) {
  static double began;
  static int good;
  if (!began) began = now();
  if (good || (!machine_ready && now() - began < LIVES)) return;
  good = 1;
  unlink(NOTE);
}
