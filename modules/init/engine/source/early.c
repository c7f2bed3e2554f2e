/* First stage, in the initramfs: the drivers that the disks need, then the system takes its place. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHIPPED "/live" /* what a medium has beside the machine that is to be installed from it */
#define BESIDE "MODULUX_BESIDE" /* the variable by which the next stage knows of it */
#define COMPRESSED 4 /* MODULE_INIT_COMPRESSED_FILE: the kernel unpacks it */

static void load_modules(const char *order) {
  char path[256];
  FILE *list = fopen(order, "re");
  while (list && fscanf(list, "%255s", path) == 1) {
    const char *end = strrchr(path, '.');
    int flags = end && strcmp(end, ".ko") ? COMPRESSED : 0, file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || (syscall(SYS_finit_module, file, "", flags) && errno != EEXIST && errno != ENODEV))
      say("cannot load %s: %s", path, strerror(errno));
    if (file >= 0) close(file);
  }
  if (list) fclose(list);
}

/* The first group whose memory is counted, that has processors of its own, or a share of them, makes the kernel patch its own code. Here
 * nothing else runs that could be in the midst of it: an emulated second processor (QEMU 7.2) was, and the kernel died of "int3" in
 * kmem_cache_alloc, and in alloc_pages. The group stays, for without one the kernel would undo it. */
static void first_group(void) {
  static const char *const controllers[] = {"+cpuset", "+cpu", "+memory", NULL};
  mkdir("/groups", 0755);
  if (mount("cgroup2", "/groups", "cgroup2", 0, NULL)) return;
  for (int i = 0; controllers[i]; i++) write_text("/groups/cgroup.subtree_control", controllers[i]);
  mkdir("/groups/first", 0755);
  write_text("/groups/first/cpu.max", "100000 100000");
  umount("/groups");
}

/* What the system itself does not stand on, by another process, which the next stage waits for. */
static void load_meanwhile(void) {
  char note[64];
  pid_t pid = branch("drivers");
  if (pid == 0) {
    load_modules("/modules/order.beside");
    _exit(0);
  }
  snprintf(note, sizeof note, "%d %d", (int)pid, open("/", O_PATH | O_DIRECTORY));
  setenv(BESIDE, note, 1);
}

/* Until what was loaded beside is there; what it was loaded from would lie in memory as long as the machine runs. */
void wait_for_beside(void) {
  const char *note = getenv(BESIDE);
  char path[64];
  int pid, root;
  if (!note || sscanf(note, "%d %d", &pid, &root) != 2) return;
  if (pid > 1) waitpid(pid, NULL, 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d/lib", root);
  remove_tree(path);
  snprintf(path, sizeof path, "/proc/self/fd/%d/modules", root);
  remove_tree(path);
  close(root);
  unsetenv(BESIDE);
}

void enter_system(void) {
  static const char *const moved[] = {"/proc", "/sys", "/dev", "/run", NULL};
  char to[64], wanted[128], disk[128];
  first_group();
  load_meanwhile();
  load_modules("/modules/order");
  load_modules("/modules/order.medium"); /* what a CD or a memory stick needs, where one was started from */
  say("drivers for disks");
  mkdir("/system", 0755);
  if (!argument("system", wanted, sizeof wanted)) snprintf(wanted, sizeof wanted, "/dev/vda");
  if (!find_disk(wanted, disk, sizeof disk, 30) || !check_disk("system", disk, sizeof disk) || attach(disk, "/system", "erofs", MS_RDONLY, NULL)) return;
  folders(RUN, 0755);
  if (access(SHIPPED, F_OK) == 0 && copy_tree(SHIPPED, LIVE)) say("%s cannot be copied: %s", SHIPPED, strerror(errno));
  remove_tree(SHIPPED);
  int copied = into_memory("/init", "/run/init") == 0; /* it goes on in memory, whatever comes of the disk */
  unlink("/init");
  for (int i = 0; moved[i]; i++) {
    snprintf(to, sizeof to, "/system%s", moved[i]);
    attach(moved[i], to, "", MS_MOVE, NULL);
  }
  if (chdir("/system") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/")) {
    say("cannot enter the system: %s", strerror(errno));
    return;
  }
  if (copied) execl("/run/init", "init", "system", NULL);
  execl("/sbin/init", "init", "system", NULL);
  say("the system has no /sbin/init: %s", strerror(errno));
}
