/* PID 1 of a machine of containers: mounts, starts each container by an OCI runtime, starts it again, ends all in reverse order.
 *
 * It reads no formats but /etc/machine/boot, which was resolved when the machine was built; fields are parted by tabs:
 *   layers NAME LOWER:LOWER:...   the container's root file system, folders of /store/layers, the topmost first
 *   ipc    NAME BYTES             an IPC namespace and a /dev/shm for it and those who join it
 *   volume SOURCE NAME TARGET     a folder, owned and filled at first as TARGET in NAME's image is
 *   run    NAME SOCKET...         started once all of the sockets take connections
 *   ready  NAME COMMAND...        must exit with 0 inside NAME for the machine to be ready
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 128
#define RUN "/run/machine"
#define RUNTIME "/usr/bin/crun"

struct job {
  char *name;
  char **words; /* of a check: the command inside; else the sockets that must be there */
  pid_t pid;
  int fails;
  double began, due;
};

static struct job jobs[MOST], checks[MOST];
static int job_count, check_count, started, checks_left, drawn_said;
static volatile sig_atomic_t ending;
static char link_path[108];
static pid_t link_pid;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void say(const char *format, ...) {
  char line[512];
  int used = snprintf(line, sizeof line, "<5>machine: %7.2f ", now());
  va_list values;
  va_start(values, format);
  vsnprintf(line + used, sizeof line - used - 1, format, values);
  va_end(values);
  strcat(line, "\n"); /* else it is shown with the next one */
  int kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC); /* the kernel brings it to every console it has */
  if (kmsg >= 0) {
    if (write(kmsg, line, strlen(line)) < 0) perror("kmsg");
    close(kmsg);
  }
}

static int attach(const char *what, const char *where, const char *kind, unsigned long flags, const char *options) {
  if (mount(what, where, kind, flags, options) == 0) return 0;
  say("cannot mount %s (%s) at %s: %s", what, kind, where, strerror(errno));
  return -1;
}

static void folders(const char *path, mode_t mode) {
  char part[512];
  snprintf(part, sizeof part, "%s", path);
  for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(part, 0755);
    *slash = '/';
  }
  mkdir(part, mode);
}

/* -- first stage: in the initramfs ------------------------------------------------------------------------------------- */

static void load_modules(void) {
  char path[256];
  FILE *list = fopen("/modules/order", "re");
  while (list && fscanf(list, "%255s", path) == 1) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || (syscall(SYS_finit_module, file, "", 0) && errno != EEXIST)) say("cannot load %s: %s", path, strerror(errno));
    close(file);
  }
  if (list) fclose(list);
}

static int when_there(const char *path) {
  for (int tries = 0; tries < 500; tries++) {
    if (access(path, F_OK) == 0) return 0;
    usleep(10000);
  }
  say("%s did not appear", path);
  return -1;
}

static void pivot(void) {
  static const char *moved[] = {"/proc", "/sys", "/dev", "/run", NULL};
  char to[64];
  load_modules();
  mkdir("/system", 0755);
  if (when_there("/dev/vda") || attach("/dev/vda", "/system", "erofs", MS_RDONLY, NULL)) return;
  for (int i = 0; moved[i]; i++) {
    snprintf(to, sizeof to, "/system%s", moved[i]);
    attach(moved[i], to, "", MS_MOVE, NULL);
  }
  if (chdir("/system") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/")) {
    say("cannot enter the system: %s", strerror(errno));
    return;
  }
  execl("/sbin/init", "init", "system", NULL);
  say("the system has no /sbin/init: %s", strerror(errno));
}

/* -- second stage: the boot plan --------------------------------------------------------------------------------------- */

static pid_t start(char *const argv[]) {
  pid_t pid = fork();
  if (pid) return pid;
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  setsid();
  execv(argv[0], argv);
  _exit(127);
}

static int finish(char *const argv[]) {
  int status = 0;
  pid_t pid = start(argv);
  while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

static void layers(const char *name, char *lowers) {
  char root[256], options[3072], upper[256];
  snprintf(root, sizeof root, RUN "/bundles/%s/rootfs", name);
  folders(root, 0755);
  snprintf(upper, sizeof upper, RUN "/upper/%s/work", name); /* mount points that the image has not, nothing else */
  folders(upper, 0755);
  snprintf(upper, sizeof upper, RUN "/upper/%s/files", name);
  folders(upper, 0755);
  int used = snprintf(options, sizeof options, "lowerdir=");
  for (char *rest, *lower = strtok_r(lowers, ":", &rest); lower; lower = strtok_r(NULL, ":", &rest))
    used += snprintf(options + used, sizeof options - used, "%s/store/layers/%s", options[used - 1] == '=' ? "" : ":", lower);
  snprintf(options + used, sizeof options - used, ",upperdir=%s,workdir=" RUN "/upper/%s/work", upper, name);
  attach("overlay", root, "overlay", 0, options);
  char from[256], to[256];
  snprintf(from, sizeof from, "/etc/machine/bundles/%s.json", name);
  snprintf(to, sizeof to, RUN "/bundles/%s/config.json", name);
  if (symlink(from, to) && errno != EEXIST) say("cannot make %s: %s", to, strerror(errno));
}

static void ipc(const char *name, const char *bytes) {
  char path[256], options[64], from[64];
  int gone[2], status;
  snprintf(path, sizeof path, RUN "/shm/%s", name);
  folders(path, 0755);
  snprintf(options, sizeof options, "mode=1777,size=%s", bytes);
  attach("shm", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options);
  snprintf(path, sizeof path, RUN "/ipc/%s", name);
  folders(RUN "/ipc", 0755);
  close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0444));
  if (pipe2(gone, O_CLOEXEC)) return;
  pid_t pid = fork();
  if (pid == 0) { /* lives until its namespace has been bound */
    char byte = unshare(CLONE_NEWIPC) ? 'n' : 'y';
    if (write(gone[1], &byte, 1) < 1) _exit(1);
    pause();
  }
  char byte = 'n';
  if (read(gone[0], &byte, 1) < 1 || byte != 'y') say("no IPC namespace for %s", name);
  snprintf(from, sizeof from, "/proc/%d/ns/ipc", pid);
  attach(from, path, "", MS_BIND, NULL);
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  close(gone[0]);
  close(gone[1]);
}

static void volume(char *source, const char *name, const char *target) {
  char model[512];
  struct stat facts;
  if (access(source, F_OK) == 0) return;
  snprintf(model, sizeof model, RUN "/bundles/%s/rootfs%s", name, target);
  if (stat(model, &facts)) {
    folders(source, 0755);
    if (chown(source, 1000, 1000)) say("%s: %s", source, strerror(errno));
    return;
  }
  *strrchr(source, '/') = 0;
  folders(source, 0755);
  source[strlen(source)] = '/';
  char *copy[] = {"/usr/bin/busybox", "cp", "-a", model, source, NULL};
  if (finish(copy)) say("cannot fill %s", source);
}

/* Asked here, where it costs nothing: the same question in each container's shell takes all of a slow processor. */
static int sockets_there(char **paths) {
  for (; *paths; paths++) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", *paths);
    int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int failed = connect(end, (struct sockaddr *)&address, sizeof address);
    close(end);
    if (failed) return 0;
  }
  return 1;
}

static void launch(struct job *job) {
  char bundle[256];
  snprintf(bundle, sizeof bundle, RUN "/bundles/%s", job->name);
  char *argv[] = {RUNTIME, "--cgroup-manager=cgroupfs", "run", "--bundle", bundle, job->name, NULL};
  started += job->began == 0;
  job->began = now();
  job->due = 0;
  job->pid = start(argv);
  say("started %s", job->name);
}

static void check(struct job *check) {
  char *argv[64] = {RUNTIME, "exec", "--user", "1000:1000", check->name}, made[256];
  snprintf(made, sizeof made, "/run/crun/%s/status", check->name);
  if (access(made, F_OK)) return; /* not yet, or not again */
  for (int i = 0; check->words[i] && i < 58; i++) argv[i + 5] = check->words[i];
  check->due = 0;
  check->pid = start(argv);
}

static void obey(char *line) {
  char *field[64] = {0}, *rest;
  int fields = 0;
  for (char *word = strtok_r(line, "\t\n", &rest); word && fields < 63; word = strtok_r(NULL, "\t\n", &rest)) field[fields++] = word;
  if (fields < 2) return;
  if (!strcmp(field[0], "layers") && fields == 3) layers(field[1], field[2]);
  if (!strcmp(field[0], "ipc") && fields == 3) ipc(field[1], field[2]);
  if (!strcmp(field[0], "volume") && fields == 4) volume(field[1], field[2], field[3]);
  if (!strcmp(field[0], "link")) snprintf(link_path, sizeof link_path, "%s", field[1]);
  int runs = !strcmp(field[0], "run") && job_count < MOST, asks = !strcmp(field[0], "ready") && check_count < MOST;
  if (!runs && !asks) return;
  struct job *made = runs ? &jobs[job_count++] : &checks[check_count++];
  made->name = strdup(field[1]);
  made->words = calloc(64, sizeof *made->words);
  for (int i = 2; i < fields; i++) made->words[i - 2] = strdup(field[i]);
  made->due = now();
  checks_left += asks;
}

/* A port of the virtual machine's is bound to a socket inside, so that its host sees the desktop without a network. */
static void carry(const char *port) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  static char bytes[65536];
  int host = open(port, O_RDWR | O_CLOEXEC), inside = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct pollfd ends[2] = {{.fd = host, .events = POLLIN}, {.fd = inside, .events = POLLIN}};
  if (host < 0) _exit(1);
  while (poll(ends, 1, -1) > 0 && ends[0].revents & POLLHUP) usleep(200000); /* nobody is at the other end */
  snprintf(address.sun_path, sizeof address.sun_path, "%s", link_path);
  if (connect(inside, (struct sockaddr *)&address, sizeof address)) _exit(1);
  ends[0].events = POLLIN;
  while (poll(ends, 2, -1) > 0) {
    for (int i = 0; i < 2; i++) {
      if (!(ends[i].revents & (POLLIN | POLLHUP))) continue;
      ssize_t got = read(ends[i].fd, bytes, sizeof bytes);
      if (got <= 0) _exit(0);
      for (ssize_t put, done = 0; done < got; done += put)
        if ((put = write(ends[!i].fd, bytes + done, got - done)) <= 0) _exit(0);
    }
  }
  _exit(0);
}

/* -- as long as it runs ------------------------------------------------------------------------------------------------ */

static void ended(pid_t pid, int status) {
  if (pid == link_pid) link_pid = 0;
  for (int i = 0; i < job_count; i++) {
    if (jobs[i].pid != pid) continue;
    jobs[i].pid = 0;
    jobs[i].fails = now() - jobs[i].began > 60 ? 1 : jobs[i].fails + 1;
    jobs[i].due = now() + (jobs[i].fails > 6 ? 60 : 1 << (jobs[i].fails - 1));
    char *argv[] = {RUNTIME, "delete", "--force", jobs[i].name, NULL};
    if (!ending) {
      say("%s ended with %d, again in %.0f s", jobs[i].name, status, jobs[i].due - now());
      finish(argv);
    }
  }
  for (int i = 0; i < check_count; i++) {
    if (checks[i].pid != pid) continue;
    checks[i].pid = 0;
    if (status) checks[i].due = now() + 1;
    else say("ready: %s", checks[i].name), checks_left--;
  }
}

static void stop(int how) {
  for (int i = job_count - 1; i >= 0; i--) {
    char *term[] = {RUNTIME, "kill", jobs[i].name, "TERM", NULL}, *force[] = {RUNTIME, "delete", "--force", jobs[i].name, NULL};
    if (!jobs[i].pid) continue;
    say("stopping %s", jobs[i].name);
    finish(term);
    for (int tries = 0; tries < 500 && waitpid(jobs[i].pid, NULL, WNOHANG) == 0; tries++) usleep(10000);
    finish(force);
  }
  sync();
  umount2("/state", MNT_DETACH);
  sync();
  say("off");
  reboot(how);
}

static void on_signal(int number) {
  ending = number;
}

static void supervise(void) {
  int status;
  for (pid_t pid; !ending;) {
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) ended(pid, status);
    for (int i = 0; i < job_count; i++)
      if (!jobs[i].pid && jobs[i].due && jobs[i].due <= now() && sockets_there(jobs[i].words)) launch(&jobs[i]);
    struct job *asked = checks; /* one after the other: each asks often, and must not take the time of those it waits for */
    while (asked < checks + check_count && !asked->pid && !asked->due) asked++;
    if (started == job_count && asked < checks + check_count && !asked->pid && asked->due <= now()) check(asked);
    if (!checks_left && !drawn_said++) say("desktop ready");
    glob_t ports = {0};
    if (!link_pid && *link_path && access(link_path, F_OK) == 0 && glob("/dev/vport*p1", 0, NULL, &ports) == 0) {
      link_pid = fork();
      if (link_pid == 0) carry(ports.gl_pathv[0]);
    }
    globfree(&ports);
    usleep(50000);
  }
}

static void system_stage(void) {
  char line[4096];
  attach("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
  mkdir("/dev/pts", 0755);
  attach("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620,gid=5");
  if (when_there("/dev/vdb") == 0) attach("/dev/vdb", "/store", "erofs", MS_RDONLY, NULL);
  if (access("/dev/vdc", F_OK) == 0) attach("/dev/vdc", "/state", "ext4", MS_NOSUID | MS_NODEV, NULL);
  else attach("tmpfs", "/state", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"), say("no state disk: nothing will be kept");
  say("mounted");
  FILE *plan = fopen("/etc/machine/boot", "re");
  if (!plan) say("no boot plan");
  while (plan && fgets(line, sizeof line, plan)) obey(line);
  if (plan) fclose(plan);
  supervise();
  stop(ending == SIGINT ? RB_AUTOBOOT : RB_POWER_OFF);
}

int main(int count, char **words) {
  struct sigaction action = {.sa_handler = on_signal};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGUSR1, &action, NULL);
  reboot(RB_DISABLE_CAD); /* Ctrl-Alt-Del arrives as SIGINT */
  setenv("PATH", "/usr/bin:/usr/sbin:/bin:/sbin", 1);
  if (count > 1 && !strcmp(words[1], "system")) {
    system_stage();
  } else {
    mkdir("/proc", 0755), mkdir("/sys", 0755), mkdir("/dev", 0755), mkdir("/run", 0755);
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
    mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755");
    say("PID 1");
    pivot();
  }
  say("nothing more can be done");
  sync();
  sleep(5);
  reboot(RB_POWER_OFF);
  return 1;
}
