#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* MSG_CMSG_CLOEXEC */
#endif
#include "news.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DOOR "/run/modulux/asks/socket"
#define MAGIC 0xfeedcafe
#define ROOM 16384

/* What libudev looks for before a message; its clients have the kernel pick by the hashes what they want. */
struct head {
  char prefix[8];
  uint32_t magic, size, at, length, subsystem, kind, tags_high, tags_low;
};

struct text {
  char room[ROOM];
  size_t used;
};

/* PID 1's socket of such messages, which it gives to who asks at its door; -1 where there is no such PID 1, or not yet. */
int open_news(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = DOOR};
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } beside;
  char text[64];
  struct iovec said = {text, sizeof text};
  struct msghdr message = {.msg_iov = &said, .msg_iovlen = 1, .msg_control = beside.room, .msg_controllen = sizeof beside.room};
  int news = -1, door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (door < 0) return -1;
  int asked = !connect(door, (struct sockaddr *)&address, sizeof address) && send(door, "news", 4, MSG_NOSIGNAL) == 4;
  if (asked && recvmsg(door, &message, MSG_CMSG_CLOEXEC) > 0) {
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) memcpy(&news, CMSG_DATA(head), sizeof news);
  }
  close(door);
  return news;
}

const char *news_value(const char *text, size_t length, const char *key) {
  size_t used = strlen(key);
  for (const char *at = text; at < text + length; at += strlen(at) + 1)
    if (!strncmp(at, key, used) && at[used] == '=') return at + used + 1;
  return NULL;
}

/* MurmurHash2 (Austin Appleby, public domain), seed 0. */
static uint32_t hash(const char *word) {
  const uint32_t mix = 0x5bd1e995;
  size_t left = strlen(word);
  uint32_t found = left, part;
  for (; left >= 4; word += 4, left -= 4) {
    memcpy(&part, word, 4);
    part *= mix;
    part = (part ^ part >> 24) * mix;
    found = found * mix ^ part;
  }
  for (size_t i = left; i--;) found ^= (uint32_t)(unsigned char)word[i] << 8 * i;
  if (left) found *= mix;
  found = (found ^ found >> 13) * mix;
  return found ^ found >> 15;
}

/* A Bloom filter of one tag. */
static uint64_t bloom(const char *tag) {
  uint32_t bits = hash(tag);
  return 1ull << (bits & 63) | 1ull << (bits >> 6 & 63) | 1ull << (bits >> 12 & 63) | 1ull << (bits >> 18 & 63);
}

static void add(struct text *text, const char *key, const char *value, size_t length) {
  size_t left = sizeof text->room - text->used;
  int size = snprintf(text->room + text->used, left, "%s%.*s", key, (int)length, value);
  if (size >= 0 && (size_t)size < left) text->used += size + 1;
}

/* All that the kernel said, a device's node by its whole path; then what the database has of it. */
static void write_text(struct text *out, const char *text, size_t length, const char *properties, const char *tag) {
  char tags[64];
  for (const char *at = text + strlen(text) + 1; at < text + length; at += strlen(at) + 1)
    if (!strncmp(at, "DEVNAME=", 8) && at[8] != '/') add(out, "DEVNAME=/dev/", at + 8, strlen(at + 8));
    else if (strchr(at, '=')) add(out, "", at, strlen(at));
  for (const char *at = properties; *at; at += strcspn(at, "\n") + 1) add(out, "", at + 2, strcspn(at, "\n") - 2); /* "E:" */
  add(out, "ID_SEAT=", tag, strlen(tag));
  snprintf(tags, sizeof tags, ":%s:", tag);
  add(out, "TAGS=", tags, strlen(tags));
  add(out, "CURRENT_TAGS=", tags, strlen(tags));
}

/* To those who listen, as udevd would tell them. PROPERTIES are lines as the database has them. */
void tell_news(int file, const char *text, size_t length, const char *properties, const char *tag) {
  static struct text out;
  const char *subsystem = news_value(text, length, "SUBSYSTEM"), *kind = news_value(text, length, "DEVTYPE");
  uint64_t tags = bloom(tag);
  out.used = 0;
  write_text(&out, text, length, properties, tag);
  struct head head = {.prefix = "libudev", .magic = htonl(MAGIC), .size = sizeof head, .at = sizeof head, .length = out.used};
  head.subsystem = htonl(subsystem ? hash(subsystem) : 0);
  head.kind = kind ? htonl(hash(kind)) : 0;
  head.tags_high = htonl(tags >> 32);
  head.tags_low = htonl(tags & 0xffffffff);
  struct iovec parts[] = {{&head, sizeof head}, {out.room, out.used}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2}; /* where to was said when it was connected */
  if (sendmsg(file, &message, 0) < 0 && errno != ECONNREFUSED) perror("devices: cannot tell of it"); /* nobody listens */
}
