/* PID 1 of a machine of containers: in the initramfs it finds the system; in the system it starts what the boot plan (plan.c) says, and
 * stays. */
#include "init.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_FILES 1024
#define AT_ONCE 256

int ending;
static int leaving;
static int poller = -1;
static struct {
  void (*call)(int file, void *what);
  void *what;
} watched[MOST_FILES];

void watch(int file, void (*call)(int file, void *what), void *what) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = file};
  if (poller < 0) return; /* systemd will take over: there is no loop */
  if (file < 0 || file >= MOST_FILES || epoll_ctl(poller, EPOLL_CTL_ADD, file, &event)) return say("%d cannot be watched", file);
  watched[file].call = call;
  watched[file].what = what;
}

void unwatch(int file) {
  epoll_ctl(poller, EPOLL_CTL_DEL, file, NULL);
  watched[file].call = NULL;
}

void end_machine(int how, const char *why) {
  if (!ending) say("ending: %s", why);
  ending = how;
  if (under_systemd) end_by_systemd(how);
}

/* However many end at once, all else has its turn. Whether there may be more. */
static int reap(void) {
  int status, count = 0;
  for (pid_t pid; count < AT_ONCE && (pid = waitpid(-1, &status, WNOHANG)) > 0; count++) {
    stick_ended(pid, status);
    if (loader_ended(pid) || link_ended(pid) || check_ended(pid, status) || act_ended(pid, status) || slot_helper_ended(pid, status) || change_helper_ended(pid, status) || teller_ended(pid) || end_refused(pid, status)) continue;
    state_helper_ended(pid, status);
    job_ended(pid, status);
  }
  return count == AT_ONCE;
}

static void on_signal(int file, void *what) {
  struct signalfd_siginfo facts;
  (void)what;
  while (read(file, &facts, sizeof facts) == sizeof facts) {
    if (facts.ssi_signo == SIGCHLD) continue; /* they are looked for anyway */
    if (under_systemd) leaving = 1; /* it is this program that is to end, not the machine */
    else if (facts.ssi_signo == SIGINT) end_machine(RB_AUTOBOOT, "Ctrl-Alt-Del");
    else if (facts.ssi_signo == SIGTERM) end_machine(RB_AUTOBOOT, "SIGTERM");
    else if (facts.ssi_signo == SIGUSR1) end_machine(RB_HALT_SYSTEM, "SIGUSR1");
    else if (facts.ssi_signo == SIGUSR2 || facts.ssi_signo == SIGPWR) end_machine(RB_POWER_OFF, "told to power off");
  }
}

/* Signals as busybox and the kernel use them: TERM starts again, USR1 halts, USR2 powers off, INT is Ctrl-Alt-Del. */
static void open_loop(void) {
  static const int taken[] = {SIGCHLD, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGPWR};
  sigset_t set;
  sigemptyset(&set);
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) sigaddset(&set, taken[i]);
  sigprocmask(SIG_SETMASK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  poller = epoll_create1(EPOLL_CLOEXEC);
  watch(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), on_signal, NULL);
  if (!under_systemd) reboot(RB_DISABLE_CAD); /* Ctrl-Alt-Del arrives as SIGINT */
}

/* For epoll, which takes less than nothing for no end at all: what became due between two looks at the clock is in less than no time. */
static int milliseconds(double wait) {
  return wait > 60 ? 60000 : wait > 0 ? (int)(wait * 1000) + 1 : 1;
}

static int turn(double wait) {
  struct epoll_event events[32];
  int count = epoll_wait(poller, events, 32, milliseconds(wait));
  for (int i = 0; i < count; i++) {
    int file = events[i].data.fd;
    if (watched[file].call) watched[file].call(file, watched[file].what);
  }
  return reap();
}

void supervise(void) {
  for (double wait = 0;;) {
    int more = turn(wait);
    double wants[] = {advance_devices(), advance_jobs(), advance_checks(), advance_links(), ending && !under_systemd ? end_jobs() : NEVER, advance_slot(), advance_terminals(), advance_desktops(), advance_changes(), advance_still(), advance_troubles(), advance_logs(), advance_answers()};
    if (leaving || (ending && wants[4] == 0)) return;
    wait = more ? 0 : NEVER;
    for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
      if (wants[i] < wait) wait = wants[i];
  }
}

static void mount_system(void) {
  char wanted[128] = "/dev/vdb", disk[128];
  attach("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  mkdir("/dev/pts", 0755);
  attach("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620,gid=5");
  mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=16m");
  argument("store", wanted, sizeof wanted);
  if (strcmp(wanted, "none") && find_disk(wanted, disk, sizeof disk, DISK_TIME) && check_disk("store", disk, sizeof disk)) attach(disk, "/store", "erofs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL);
  wait_for_beside();
  mount_state();
  say("mounted");
}

/* All that still runs is ended, what is kept is written, and the machine is off or starts again. */
static void power(void) {
  close_logs();
  kill(-1, SIGTERM);
  for (int tries = 0; tries < 50 && waitpid(-1, NULL, WNOHANG) >= 0; tries++) usleep(10000);
  kill(-1, SIGKILL);
  for (int tries = 0; tries < 100 && waitpid(-1, NULL, WNOHANG) >= 0; tries++) usleep(10000);
  let_go_of_sticks();
  sync();
  for (int i = 0; i < job_count; i++) drop_root(jobs[i].name);
  let_go_of_layers();
  if (umount("/state") && mount(NULL, "/state", NULL, MS_REMOUNT | MS_RDONLY, NULL)) {
    say("state: still in use (%s), it is made read-only", strerror(errno));
    write_text("/proc/sysrq-trigger", "u");
  }
  sync();
  say("off");
  reboot(ending);
}

/* Everything is mounted, then systemd is PID 1. */
static void enter_systemd(void) {
  settle_kernel();
  coldplug(); /* beside what follows; the others' drivers are loaded once this program is a service */
  mount_system();
  name_host_by_file();
  read_plan();
  if (!is_started_in_vain()) become_systemd();
}

static int watch_machine(void) {
  under_systemd = 1;
  know_state();
  open_loop();
  open_devices();
  coldplug();
  look_for_buttons();
  open_control();
  begin_slot();
  read_plan();
  begin_updates();
  look_for_damage();
  supervise();
  let_go_of_sticks();
  return 0;
}

/* Its first start takes a slow processor nearly twice as long as any other; here, another processor has nothing to do. */
static void know_runtime(void) {
  char *argv[] = {RUNTIME, "--version", NULL};
  start(argv, -1);
}

static void enter_plan(void) {
  say("system");
  if (systemd_wanted()) return enter_systemd();
  open_loop();
  know_runtime();
  settle_kernel();
  open_devices();
  coldplug(); /* beside what follows */
  mount_system();
  open_control();
  begin_slot();
  name_host_by_file();
  read_plan();
  begin_updates();
  say("planned");
  supervise();
  power();
}

static void first_mounts(void) {
  static const char *const mounts[][3] = {{"proc", "/proc", NULL}, {"sysfs", "/sys", NULL}, {"devtmpfs", "/dev", "mode=755"}, {"tmpfs", "/run", "mode=755"}};
  for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
    mkdir(mounts[i][1], 0755);
    mount(mounts[i][0], mounts[i][1], mounts[i][0], MS_NOSUID | (i == 2 ? 0 : MS_NODEV), mounts[i][2]);
  }
}

int main(int count, char **words) {
  if (strstr(words[0], "modprobe")) return count > 1 ? modprobe(words[count - 1]) != 0 : 1;
  if (count > 1 && !strcmp(words[1], "watch")) return watch_machine();
  if (count > 2 && !strcmp(words[1], "end")) return end_unit(words[2]);
  if (count > 2 && !strcmp(words[1], "ended")) return note_end_of_unit(words[2]);
  if (getpid() != 1) return fprintf(stderr, "init: this is PID 1 of a machine\n"), 1;
  umask(022);
  setenv("PATH", "/usr/bin:/usr/sbin:/bin:/sbin", 1);
  if (count > 1 && !strcmp(words[1], "system")) {
    enter_plan();
  } else {
    first_mounts();
    say("PID 1");
    enter_system();
  }
  say("nothing more can be done");
  give_slot_up();
  sync();
  sleep(10);
  reboot(RB_AUTOBOOT); /* another slot may do better */
  return 1;
}
