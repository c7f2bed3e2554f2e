/* Single files and folders out of a backup, which who keeps the machine's data has laid beside the volumes (keep.c): each takes the place of what
 * is there in one step, also while the desktop runs. In PLACING each is called by the number of its inode, and a link whose name begins with that says
 * where it belongs: VOLUME/FOLDER/NAME. With ".to" it may replace what is there, with ".new" it may not. Where the inode is
 * tells, after an interruption, what has been done. If one cannot be placed, the others go back.
 */
#include "init.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VOLUMES "/state/volumes"
#define PLACING VOLUMES "/.keeping/placing" /* decided once it is called so */
#define PLACED VOLUMES "/.keeping/placed"   /* with what they took the place of */

static int open_folder(int at, const char *name) {
  return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* A name in a folder, and none that leads elsewhere. */
static int is_name(const char *name) {
  return *name && strcmp(name, ".") && strcmp(name, "..");
}

/* The folder in which `path` lies, and the last of its names. No link is followed, whatever the desktop makes of its folders meanwhile. */
static int folder_of(int volumes, char *path, char **last) {
  char *rest, *first = strtok_r(path, "/", &rest), *next;
  int at = first && *first != '.' ? fcntl(volumes, F_DUPFD_CLOEXEC, 0) : (errno = EINVAL, -1);
  for (*last = first; at >= 0 && (next = strtok_r(NULL, "/", &rest)); *last = next) {
    int inner = is_name(*last) ? open_folder(at, *last) : (errno = EINVAL, -1), why = errno;
    close(at);
    errno = why;
    at = inner;
  }
  if (at < 0 || (*last != first && is_name(*last))) return at;
  return close(at), errno = EINVAL, -1;
}

/* Of what is at the one place and the other; RENAME_NOREPLACE or RENAME_EXCHANGE. Not every C library knows the call. */
static int rename_to(int from, const char *name, int to, const char *other, unsigned how) {
  return syscall(SYS_renameat2, from, name, to, other, how);
}

static int is_there(int at, const char *name, struct stat *facts) {
  return fstatat(at, name, facts, AT_SYMLINK_NOFOLLOW) == 0;
}

static int to_its_place(int placing, const char *number, int at, const char *last, int replaces) {
  if (rename_to(placing, number, at, last, RENAME_NOREPLACE) == 0) return 0;
  return errno == EEXIST && replaces ? rename_to(placing, number, at, last, RENAME_EXCHANGE) : -1;
}

static int back_again(int placing, const char *number, int at, const char *last) {
  struct stat facts;
  return rename_to(at, last, placing, number, is_there(placing, number, &facts) ? RENAME_EXCHANGE : RENAME_NOREPLACE);
}

/* What the link speaks of, to its place or back; nothing if it is where it is to be. */
static int move(int volumes, int placing, const char *link, int back) {
  char path[PATH_MAX], number[32], *kind, *last;
  struct stat facts;
  ssize_t length = readlinkat(placing, link, path, sizeof path - 1);
  if (length < 0) return -1;
  path[length] = 0;
  snprintf(number, sizeof number, "%llu", strtoull(link, &kind, 10));
  int at = folder_of(volumes, path, &last);
  if (at < 0) return -1;
  int placed = is_there(at, last, &facts) && facts.st_ino == strtoull(number, NULL, 10), failed = 0;
  if (placed && back) failed = back_again(placing, number, at, last);
  if (!placed && !back) failed = to_its_place(placing, number, at, last, !strcmp(kind, ".to"));
  int why = errno;
  close(at);
  errno = why;
  return failed;
}

static int move_all(int volumes, int back) {
  struct dirent *one;
  int failed = 0, why = 0, placing = open_folder(volumes, PLACING);
  DIR *all = placing < 0 ? NULL : fdopendir(placing);
  while (all && !failed && (one = readdir(all))) {
    const char *dot = strchr(one->d_name, '.');
    if (!dot || dot == one->d_name || !move(volumes, placing, one->d_name, back)) continue;
    why = errno;
    if (!back) say("%s of a backup cannot be put in its place: %s", one->d_name, strerror(why));
    failed = !back;
  }
  if (!all) failed = 1, why = errno;
  if (all) closedir(all);
  errno = why;
  return failed;
}

/* All of them, or none; whether it failed (errno). Also at the start of the machine: what was decided before the power went. */
int place_laid(void) {
  struct stat facts;
  if (!is_there(AT_FDCWD, PLACING, &facts)) return 0;
  int volumes = open_folder(AT_FDCWD, VOLUMES), failed = move_all(volumes, 0), why = errno;
  if (failed) move_all(volumes, 1);
  if (rename(PLACING, PLACED) && !failed) failed = 1, why = errno;
  if (!failed) say("files of a backup have taken their place");
  fsync(volumes);
  close(volumes);
  errno = why;
  return failed;
}
