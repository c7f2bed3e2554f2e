/* The power button, as the kernel shows it: an input device with that key which is no keyboard. */
#include "init.h"
#include <fcntl.h>
#include <glob.h>
#include <linux/input.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <unistd.h>

#define MOST_BUTTONS 8

static struct button {
  char node[64];
  int file;
} buttons[MOST_BUTTONS];

static int has(const uint8_t *bits, int key) {
  return bits[key / 8] >> key % 8 & 1;
}

static void on_key(int file, void *what) {
  struct button *button = what;
  struct input_event event;
  ssize_t got;
  while ((got = read(file, &event, sizeof event)) == sizeof event)
    if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) end_machine(RB_POWER_OFF, "the power button");
  if (got >= 0) return;
  uint8_t bits[KEY_MAX / 8 + 1];
  if (ioctl(file, EVIOCGBIT(EV_KEY, sizeof bits), bits) >= 0) return; /* nothing more for now */
  unwatch(file);
  close(file);
  button->file = 0;
}

void look_for_button(const char *node) {
  uint8_t bits[KEY_MAX / 8 + 1] = {0};
  int at = 0;
  if (strncmp(node, "/dev/input/event", 16) || strlen(node) >= sizeof buttons->node) return;
  for (int i = 0; i < MOST_BUTTONS; i++)
    if (buttons[i].file > 0 && !strcmp(buttons[i].node, node)) return;
  while (at < MOST_BUTTONS && buttons[at].file > 0) at++;
  if (at == MOST_BUTTONS) return;
  int file = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return;
  if (ioctl(file, EVIOCGBIT(EV_KEY, sizeof bits), bits) < 0 || !has(bits, KEY_POWER) || has(bits, KEY_A)) {
    close(file);
    return;
  }
  strcpy(buttons[at].node, node);
  buttons[at].file = file;
  watch(file, on_key, &buttons[at]);
}

/* Those that were there before anybody listened to news of devices. */
void look_for_buttons(void) {
  glob_t found = {0};
  glob("/dev/input/event*", GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc; i++) look_for_button(found.gl_pathv[i]);
  globfree(&found);
}
