/* Layers of images: each a file with an erofs, mounted once from where it lies, whoever stands on it.
 *
 * A layer in the store is read from the store's own disk, at the place where its file lies: an erofs that is mounted from a file of
 * another erofs gave errors now and then (Linux 6.12), and all that is read is kept in memory twice. */
#include "init.h"
#include "update.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LAYERS RUN "/layers"
#define EROFS_MAGIC 0xe0f5e1e2
#define BLOCK 4096

/* Whether a file has all the blocks that its own superblock speaks of; a copy that was cut short is found here. */
static int whole(const char *path) {
  unsigned char super[128];
  struct stat facts;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  int got = file >= 0 && fstat(file, &facts) == 0 && pread(file, super, sizeof super, 1024) == sizeof super;
  if (file >= 0) close(file);
  if (!got || super[0] != 0xe2 || super[1] != 0xe1 || super[2] != 0xf5 || super[3] != 0xe0 || super[12] > 16) return 0;
  uint64_t blocks = super[36] | super[37] << 8 | super[38] << 16 | (uint64_t)super[39] << 24;
  return (uint64_t)facts.st_size >= blocks << super[12];
}

/* `size` bytes (0: all) from `from` of a file or disk as a loop device, which lasts as long as it is used; -1 with errno set. */
static int open_loop(const char *backing, uint64_t from, uint64_t size, unsigned flags, char device[32]) {
  struct loop_config config = {.block_size = flags ? BLOCK : 0, .info = {.lo_offset = from, .lo_sizelimit = size, .lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR | flags}};
  int first = errno, control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), free = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
  snprintf(device, 32, "/dev/loop%d", free);
  int loop = free < 0 ? -1 : open(device, O_RDWR | O_CLOEXEC), file = open(backing, O_RDONLY | O_CLOEXEC);
  config.fd = file;
  int failed = loop < 0 || file < 0 || ioctl(loop, LOOP_CONFIGURE, &config), why = loop >= 0 ? errno : first; /* without such devices the first reason says more */
  if (control >= 0) close(control);
  if (file >= 0) close(file);
  if (failed && loop >= 0) close(loop);
  errno = why;
  return failed ? -1 : loop;
}

static int mount_by_loop(const char *backing, uint64_t from, uint64_t size, unsigned flags, const char *where) {
  char device[32];
  int loop = open_loop(backing, from, size, flags, device);
  int failed = loop < 0 || mount(device, where, "erofs", MS_RDONLY | MS_NODEV | MS_NOSUID, NULL), why = errno;
  if (loop >= 0) close(loop);
  errno = why;
  return failed ? -1 : 0;
}

/* Where a file of the store lies on its disk, which must be in one piece; bytes. */
static int piece_of(const char *path, uint64_t *from, uint64_t *length, dev_t *disk) {
  union {
    struct fiemap map;
    char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
  } asked = {.map = {.fm_length = FIEMAP_MAX_OFFSET, .fm_extent_count = 1}};
  struct statfs kind;
  struct stat facts;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  int got = file >= 0 && fstatfs(file, &kind) == 0 && kind.f_type == EROFS_MAGIC && fstat(file, &facts) == 0 &&
            ioctl(file, FS_IOC_FIEMAP, &asked.map) == 0 && asked.map.fm_mapped_extents == 1;
  if (file >= 0) close(file);
  const struct fiemap_extent *piece = asked.map.fm_extents;
  if (!got || piece->fe_logical || piece->fe_physical % BLOCK || piece->fe_length < (uint64_t)facts.st_size) return 0;
  *from = piece->fe_physical;
  *length = facts.st_size;
  *disk = facts.st_dev;
  return 1;
}

/* From the store's disk itself, past its file system and without keeping in memory twice what is read. */
static int mount_by_piece(const char *path, const char *where) {
  char facts[64], text[512], device[64];
  uint64_t from, length;
  dev_t disk;
  if (!piece_of(path, &from, &length, &disk)) return -1;
  snprintf(facts, sizeof facts, "/sys/dev/block/%u:%u/uevent", major(disk), minor(disk));
  const char *name = read_text(facts, text, sizeof text) ? strstr(text, "DEVNAME=") : NULL;
  if (!name) return -1;
  name += strlen("DEVNAME=");
  snprintf(device, sizeof device, "/dev/%.*s", (int)strcspn(name, "\n"), name);
  return mount_by_loop(device, from, length, LO_FLAGS_DIRECT_IO, where);
}

static int mount_file(const char *path, const char *where) {
  return mount(path, where, "erofs", MS_RDONLY | MS_NODEV | MS_NOSUID, NULL) == 0 ? 0 : mount_by_loop(path, 0, 0, 0, where);
}

/* A layer of an update lies on the state's disk, which nobody checks: its blocks are, as it is read. Where the kernel has no device mapper,
 * all of it is before it is mounted. The name of the device is written to `mark`. */
static int mount_sealed(const char *id, const char *where, const char *mark) {
  static unsigned count; /* from this process's number on: under systemd there have been others */
  char path[256], device[32], checked[32], name[128], found[65];
  const char *sum, *told;
  if (!sealed_layer(id, path, sizeof path, &sum, &told)) return -1;
  if (access("/dev/mapper/control", F_OK)) {
    if (!file_sum(path, found) || strcmp(found, sum)) return say("the layer %s is damaged", path), -1;
    return mount_file(path, where) || write_text(mark, "");
  }
  int loop = open_loop(path, 0, 0, LO_FLAGS_DIRECT_IO, device);
  if (!count) count = getpid();
  snprintf(name, sizeof name, "layer-%u-%s", count++, id);
  int number = loop < 0 ? -1 : map_checked(name, device, told);
  snprintf(checked, sizeof checked, "/dev/dm-%d", number);
  int failed = number < 0 || mount(checked, where, "erofs", MS_RDONLY | MS_NODEV | MS_NOSUID, NULL);
  if (failed) say("the layer %s cannot be mounted: %s", path, strerror(errno));
  if (failed && number >= 0) unmap_device(name);
  if (loop >= 0) close(loop);
  return failed ? -1 : write_text(mark, name);
}

int mount_layer(const char *id) {
  static const char *const places[] = {"/store/layers", LIVE "/store/layers", NULL};
  char path[256], where[256], mark[300];
  snprintf(where, sizeof where, LAYERS "/%s", id);
  snprintf(mark, sizeof mark, LAYERS "/.%s", id); /* that it is mounted */
  if (access(mark, F_OK) == 0) return 1;
  folders(where, 0755);
  for (int i = 0; places[i]; i++) {
    snprintf(path, sizeof path, "%s/%s.erofs", places[i], id);
    if (access(path, F_OK)) continue;
    if (!whole(path)) {
      say("the layer %s is damaged", path);
      continue;
    }
    if (mount_by_piece(path, where) == 0 || mount_file(path, where) == 0) return write_text(mark, "") == 0;
    say("the layer %s cannot be mounted: %s", path, strerror(errno));
  }
  return mount_sealed(id, where, mark) == 0;
}

static void let_go(const char *mark) {
  char where[300], name[128];
  snprintf(where, sizeof where, LAYERS "/%s", strrchr(mark, '/') + 2);
  umount2(where, MNT_DETACH);
  if (read_text(mark, name, sizeof name)) unmap_device(name);
  unlink(mark);
  rmdir(where);
}

static int stood_on(const char *id) {
  for (int i = 0; i < job_count; i++)
    if (jobs[i].layers && strstr(jobs[i].layers, id)) return 1;
  return 0;
}

static void let_go_of(int all) {
  glob_t found = {0};
  glob(LAYERS "/.[!.]*", GLOB_NOSORT, NULL, &found);
  for (size_t i = 0; i < found.gl_pathc; i++)
    if (all || !stood_on(strrchr(found.gl_pathv[i], '/') + 2)) let_go(found.gl_pathv[i]);
  globfree(&found);
}

/* Those on which nothing stands any more. */
void release_layers(void) {
  let_go_of(0);
}

/* Some lie in files of /state, which could not be unmounted under them. */
void let_go_of_layers(void) {
  let_go_of(1);
}
