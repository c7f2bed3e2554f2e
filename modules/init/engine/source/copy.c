/* Trees of files, copied with their owners, modes and times, or removed. By itself, since a program for each would take a start-up's time. */
#include "init.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static int copy_into(int from, int to);

static int copy_file(int from, int to, const char *name, const struct stat *facts) {
  int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  int failed = in < 0 || out < 0;
  for (off_t left = facts->st_size; !failed && left > 0;) {
    ssize_t put = sendfile(out, in, NULL, left);
    failed = put <= 0;
    left -= put;
  }
  failed |= fchown(out, facts->st_uid, facts->st_gid) || fchmod(out, facts->st_mode & 07777);
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return failed;
}

static int copy_folder(int from, int to, const char *name, const struct stat *facts) {
  if (mkdirat(to, name, 0700)) return -1;
  int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  int failed = in < 0 || out < 0 || copy_into(in, out);
  failed |= fchown(out, facts->st_uid, facts->st_gid) || fchmod(out, facts->st_mode & 07777);
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return failed;
}

static int copy_link(int from, int to, const char *name, const struct stat *facts) {
  char target[4096];
  ssize_t length = readlinkat(from, name, target, sizeof target - 1);
  if (length < 0) return -1;
  target[length] = 0;
  return symlinkat(target, to, name) || fchownat(to, name, facts->st_uid, facts->st_gid, AT_SYMLINK_NOFOLLOW);
}

static int copy_one(int from, int to, const char *name) {
  struct stat facts;
  int failed = fstatat(from, name, &facts, AT_SYMLINK_NOFOLLOW);
  if (failed) return failed;
  if (S_ISREG(facts.st_mode)) failed = copy_file(from, to, name, &facts);
  else if (S_ISDIR(facts.st_mode)) failed = copy_folder(from, to, name, &facts);
  else if (S_ISLNK(facts.st_mode)) failed = copy_link(from, to, name, &facts);
  struct timespec times[2] = {facts.st_atim, facts.st_mtim};
  utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
  return failed;
}

static int is_dots(const char *name) {
  return !strcmp(name, ".") || !strcmp(name, "..");
}

/* All that is in `from`; what fails does not keep the rest from being copied. */
static int copy_into(int from, int to) {
  int failed = 0, why = 0;
  DIR *list = fdopendir(dup(from));
  if (!list) return -1;
  for (struct dirent *entry; (entry = readdir(list));) {
    if (is_dots(entry->d_name) || !copy_one(from, to, entry->d_name)) continue;
    failed = -1;
    why = errno;
  }
  closedir(list);
  errno = why;
  return failed;
}

/* The folder `from` as `to`, which must not be there. Not 0 when something could not be copied. */
int copy_tree(const char *from, const char *to) {
  struct stat facts;
  if (stat(from, &facts) || mkdir(to, 0700)) return -1;
  int in = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC), out = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int failed = in < 0 || out < 0 || copy_into(in, out), why = errno;
  if (!fchown(out, facts.st_uid, facts.st_gid) && !fchmod(out, facts.st_mode & 07777)) errno = why;
  else failed = -1;
  if (in >= 0) close(in);
  if (out >= 0) close(out);
  return failed;
}

static int remove_in(int folder, const char *name) {
  if (unlinkat(folder, name, 0) == 0) return 0;
  int inside = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *list = inside < 0 ? NULL : fdopendir(inside);
  for (struct dirent *entry; list && (entry = readdir(list));)
    if (!is_dots(entry->d_name)) remove_in(inside, entry->d_name);
  if (list) closedir(list);
  return unlinkat(folder, name, AT_REMOVEDIR);
}

int remove_tree(const char *path) {
  return remove_in(AT_FDCWD, path);
}
