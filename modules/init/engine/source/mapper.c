/* The kernel's device mapper, by its own calls (linux/dm-ioctl.h). */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct request {
  struct dm_ioctl head;
  struct dm_target_spec target;
  char words[512];
};

static int ask_mapper(int mapper, unsigned long verb, const char *name, struct request *request) {
  request->head.version[0] = DM_VERSION_MAJOR;
  request->head.data_size = sizeof *request;
  request->head.data_start = sizeof request->head;
  snprintf(request->head.name, sizeof request->head.name, "%s", name);
  return ioctl(mapper, verb, request);
}

/* A read-only device of so many sectors (512 bytes), made as `target` and its `words` say: N of /dev/dm-N; -1 with errno set. */
int map_device(const char *name, const char *target, const char *words, unsigned long long sectors) {
  struct request create = {0}, table = {.head.flags = DM_READONLY_FLAG, .head.target_count = 1}, resume = {0};
  int mapper = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
  if (mapper < 0) return -1;
  table.target.length = sectors;
  snprintf(table.target.target_type, sizeof table.target.target_type, "%s", target);
  snprintf(table.words, sizeof table.words, "%s", words);
  int failed = ask_mapper(mapper, DM_DEV_CREATE, name, &create) || ask_mapper(mapper, DM_TABLE_LOAD, name, &table) ||
               ask_mapper(mapper, DM_DEV_SUSPEND, name, &resume);
  int why = errno;
  close(mapper);
  errno = why;
  return failed ? -1 : (int)minor(create.head.dev);
}

/* It is gone once nobody uses it any more. */
void unmap_device(const char *name) {
  struct request request = {.head.flags = DM_DEFERRED_REMOVE};
  int mapper = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
  if (mapper < 0) return;
  if (ask_mapper(mapper, DM_DEV_REMOVE, name, &request)) say("%s is still mapped: %s", name, strerror(errno));
  close(mapper);
}

/* What a device's target says of itself; 0 when it cannot be asked. */
int device_status(const char *name, char *text, size_t size) {
  struct request request = {0};
  int mapper = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
  if (mapper < 0) return 0;
  int known = !ask_mapper(mapper, DM_TABLE_STATUS, name, &request) && request.head.target_count == 1;
  close(mapper);
  if (known) snprintf(text, size, "%s", request.words);
  return known;
}
