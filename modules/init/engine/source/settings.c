/* What of the kernel is set once: its messages, limits that every container inherits, the loopback interface, the name. */
#include "init.h"
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const settings[][2] = {
    {"kernel/printk", "4"}, /* errors, and what PID 1 says */
    {"kernel/printk_devkmsg", "on"},
    {"kernel/panic", "10"}, /* seconds, then it starts again */
    {"kernel/sysrq", "176"}, /* sync, read-only, reboot */
    {"kernel/dmesg_restrict", "1"},
    {"kernel/kptr_restrict", "1"},
    {"fs/suid_dumpable", "0"},
    {"fs/protected_hardlinks", "1"},
    {"fs/protected_symlinks", "1"},
    {"fs/protected_fifos", "1"},
    {"fs/protected_regular", "2"},
    {"fs/inotify/max_user_instances", "4096"}, /* all modules are one user */
    {"fs/inotify/max_user_watches", "524288"},
    {"vm/max_map_count", "262144"},
    {"net/ipv4/ping_group_range", "0 2147483647"},
};

static void limit(int what, rlim_t soft, rlim_t hard) {
  struct rlimit both = {soft, hard};
  if (setrlimit(what, &both)) say("a limit (%d) cannot be set: %s", what, strerror(errno));
}

static void loopback_up(void) {
  struct ifreq asked = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int end = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (end < 0 || ioctl(end, SIOCSIFFLAGS, &asked)) say("the loopback interface cannot be used: %s", strerror(errno));
  if (end >= 0) close(end);
}

void settle_kernel(void) {
  char path[128] = "/proc/sys/";
  size_t used = strlen(path);
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    strcpy(path + used, settings[i][0]);
    write_text(path, settings[i][1]); /* a kernel without it does without */
  }
  limit(RLIMIT_CORE, 0, 0);
  limit(RLIMIT_NOFILE, 65536, 524288);
  limit(RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY); /* each container has a limit of its own */
  loopback_up();
}

void name_host(const char *name) {
  if (sethostname(name, strlen(name))) say("the name %s cannot be given: %s", name, strerror(errno));
}

void name_host_by_file(void) {
  char name[65];
  if (read_text(PLAN "/hostname", name, sizeof name)) name_host(name);
}
