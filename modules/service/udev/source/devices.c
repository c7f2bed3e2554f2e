/* devices [SYS [DATABASE]]: writes udev's database of input devices and graphics cards, all on the seat of the virtual terminals, and stays.
 * It reads what the kernel shows to everybody in /sys, so it needs no rights, where udevd itself would have to be root. On a machine PID 1 tells
 * it of devices that come and go, and by the same socket it tells others as udevd would (news.h); elsewhere it looks every second.
 * One process, no shell: where a processor is slow, each program counts. */
#include "news.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGE 16384

#define SEAT "seat0" /* that of the virtual terminals */
#define SERVED "control" /* a file that udevd has: without it libudev listens to nobody */
#define WRITTEN "modulux" /* a file: all that was there is known */
#define LONG_BITS 64
#define WORDS 16
#define LOOK 1000000 /* microseconds between looks for what has come, where nothing tells of it */

/* Keys, buttons and axes of linux/input-event-codes.h */
enum { A_KEY = 30, LEFT_BUTTON = 272, PEN = 320, FINGER = 325, TOUCH = 330, X_AXIS = 0, Y_AXIS = 1 };

struct bits {
  unsigned long long word[WORDS]; /* the lowest first */
  int any;
};

static const char *sys = "/sys", *database = "/run/udev";

static int read_text(const char *path, char *text, size_t size) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t got = file < 0 ? -1 : read(file, text, size - 1);
  if (file >= 0) close(file);
  text[got > 0 ? got : 0] = 0;
  text[strcspn(text, "\n")] = 0;
  return got > 0;
}

/* A bitmap as the kernel shows it: words of 64 bits in hexadecimal, the lowest last. */
static struct bits read_bits(const char *device, const char *name) {
  struct bits bits = {0};
  unsigned long long words[WORDS];
  char path[512], text[1024], *rest;
  int count = 0;
  snprintf(path, sizeof path, "%s/device/capabilities/%s", device, name);
  read_text(path, text, sizeof text);
  for (char *word = strtok_r(text, " ", &rest); word && count < WORDS; word = strtok_r(NULL, " ", &rest))
    words[count++] = strtoull(word, NULL, 16);
  for (int i = 0; i < count; i++) {
    bits.word[i] = words[count - 1 - i];
    bits.any |= bits.word[i] != 0;
  }
  return bits;
}

static int has(const struct bits *bits, int number) {
  return bits->word[number / LONG_BITS] >> (number % LONG_BITS) & 1;
}

/* What kind of input device it is, as udev's own rules name it, by its keys, buttons and axes. */
static void kind_of(const char *device, char *text, size_t size) {
  struct bits key = read_bits(device, "key"), rel = read_bits(device, "rel"), abs = read_bits(device, "abs");
  const char *points = "";
  int keyboard = has(&key, A_KEY);
  if (has(&abs, X_AXIS) && has(&abs, Y_AXIS)) {
    if (has(&key, PEN)) points = "E:ID_INPUT_TABLET=1\n";
    else if (has(&key, FINGER) && has(&key, TOUCH)) points = "E:ID_INPUT_TOUCHPAD=1\n";
    else if (has(&key, LEFT_BUTTON)) points = "E:ID_INPUT_MOUSE=1\n";
    else if (has(&key, TOUCH)) points = "E:ID_INPUT_TOUCHSCREEN=1\n";
  } else if (has(&rel, X_AXIS) && has(&rel, Y_AXIS) && has(&key, LEFT_BUTTON)) {
    points = "E:ID_INPUT_MOUSE=1\n";
  }
  const char *keys = keyboard ? "E:ID_INPUT_KEY=1\nE:ID_INPUT_KEYBOARD=1\n" : !*points && key.any ? "E:ID_INPUT_KEY=1\n" : "";
  snprintf(text, size, "E:ID_INPUT=1\n%s%s", keys, points);
}

/* Whole or not at all, for who reads it meanwhile. */
static void write_entry(const char *number, const char *properties) {
  char path[512], part[520];
  snprintf(path, sizeof path, "%s/data/c%s", database, number);
  snprintf(part, sizeof part, "%s.new", path);
  FILE *file = fopen(part, "we");
  if (!file) {
    fprintf(stderr, "devices: %s: %s\n", part, strerror(errno));
    exit(1);
  }
  fprintf(file, "I:1\n%sE:ID_SEAT=" SEAT "\nG:" SEAT "\nQ:" SEAT "\nV:1\n", properties);
  if (fclose(file) || rename(part, path)) {
    fprintf(stderr, "devices: %s: %s\n", path, strerror(errno));
    exit(1);
  }
  snprintf(path, sizeof path, "%s/tags/" SEAT "/c%s", database, number);
  close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

/* Entries for what a class has whose name begins so, if they are not there yet. How many are new. */
static int look(const char *class, const char *begins, int input) {
  char folder[256], path[1024], number[32], entry[512], properties[256] = "";
  int found = 0;
  struct dirent *one;
  snprintf(folder, sizeof folder, "%s/class/%s", sys, class);
  DIR *all = opendir(folder);
  while (all && (one = readdir(all))) {
    if (strncmp(one->d_name, begins, strlen(begins))) continue;
    snprintf(path, sizeof path, "%s/%s/dev", folder, one->d_name);
    if (!read_text(path, number, sizeof number)) continue;
    snprintf(entry, sizeof entry, "%s/data/c%s", database, number);
    if (access(entry, F_OK) == 0) continue;
    snprintf(path, sizeof path, "%s/%s", folder, one->d_name);
    if (input) kind_of(path, properties, sizeof properties);
    write_entry(number, properties);
    found++;
  }
  if (all) closedir(all);
  return found;
}

static void take_entry(const char *number) {
  char path[512];
  snprintf(path, sizeof path, "%s/data/c%s", database, number);
  unlink(path);
  snprintf(path, sizeof path, "%s/tags/" SEAT "/c%s", database, number);
  unlink(path);
}

static int look_at_all(void) {
  return look("input", "event", 1) + look("drm", "card", 0);
}

/* PID 1 has let the user open it by now; those who are told here may look for it at once. */
static void hear(int file) {
  static char text[MESSAGE];
  char path[1024], number[32], properties[256] = "";
  ssize_t got = read(file, text, sizeof text - 1);
  if (got < 0) look_at_all(); /* some were lost */
  if (got <= 0) return;
  text[got] = 0;
  const char *action = news_value(text, got, "ACTION"), *where = news_value(text, got, "DEVPATH");
  const char *major = news_value(text, got, "MAJOR"), *minor = news_value(text, got, "MINOR"), *name = where ? strrchr(where, '/') : NULL;
  int input = name && !strncmp(name, "/event", 6), card = name && !strncmp(name, "/card", 5);
  if (!action || !major || !minor || !(input || card)) return;
  snprintf(number, sizeof number, "%s:%s", major, minor);
  snprintf(path, sizeof path, "%s%s", sys, where);
  if (input && strcmp(action, "remove")) kind_of(path, properties, sizeof properties);
  if (!strcmp(action, "remove")) take_entry(number);
  else write_entry(number, properties);
  tell_news(file, text, got, properties, SEAT);
}

static void make_file(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", database, name);
  close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

int main(int count, char **words) {
  char path[512];
  static const char *const folders[] = {"", "/data", "/tags", "/tags/" SEAT, NULL};
  if (count > 1) sys = words[1];
  if (count > 2) database = words[2];
  umask(022);
  for (int i = 0; folders[i]; i++) {
    snprintf(path, sizeof path, "%s%s", database, folders[i]);
    if (mkdir(path, 0755) && errno != EEXIST) return fprintf(stderr, "devices: %s: %s\n", path, strerror(errno)), 1;
  }
  int told = count > 1 ? -1 : open_news(); /* first, so that nothing comes unseen */
  look_at_all();
  make_file(SERVED);
  make_file(WRITTEN);
  if (count > 1) return 0;
  for (;;) {
    if (told >= 0) hear(told);
    else usleep(LOOK), told = open_news(), look_at_all();
  }
}
