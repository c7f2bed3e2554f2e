/* filter NAME…: the filter for system calls that /job/NAME.rules asks for, as /job/NAME.bpf, which the kernel takes as it is. A line is
 *   default ACTION ERRNO | arch NAME | rule ACTION ERRNO CALL… | when ACTION ERRNO CALL (ARGUMENT OPERATOR VALUE VALUE)…
 * with words of the OCI runtime specification. As in OCI runtimes, a call that the library does not know is left out, and a rule that says
 * what the default says is none. */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARGUMENTS = 6 };

static _Noreturn void fail(const char *what, const char *word) {
  fprintf(stderr, "filter: %s: %s\n", what, word ? word : "missing");
  exit(1);
}

static char *word(void) { return strtok(NULL, " \n"); }

static unsigned long long number(void) {
  const char *text = word();
  char *end;
  errno = 0;
  unsigned long long value = text ? strtoull(text, &end, 10) : 0;
  if (!text || errno || *end || end == text) fail("not a number", text);
  return value;
}

/* An action and the errno after it, which only some actions use. */
static uint32_t action(void) {
  const char *name = word();
  unsigned long long code = number();
  if (!name) fail("an action", name);
  if (!strcmp(name, "SCMP_ACT_ALLOW")) return SCMP_ACT_ALLOW;
  if (!strcmp(name, "SCMP_ACT_ERRNO")) return SCMP_ACT_ERRNO((uint32_t)code);
  if (!strcmp(name, "SCMP_ACT_TRACE")) return SCMP_ACT_TRACE((uint32_t)code);
  if (!strcmp(name, "SCMP_ACT_TRAP")) return SCMP_ACT_TRAP;
  if (!strcmp(name, "SCMP_ACT_LOG")) return SCMP_ACT_LOG;
  if (!strcmp(name, "SCMP_ACT_KILL") || !strcmp(name, "SCMP_ACT_KILL_THREAD")) return SCMP_ACT_KILL_THREAD;
  if (!strcmp(name, "SCMP_ACT_KILL_PROCESS")) return SCMP_ACT_KILL_PROCESS;
  fail("unknown action", name);
}

static enum scmp_compare operator(const char *name) {
  static const struct { const char *name; enum scmp_compare is; } all[] = {
      {"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT}, {"SCMP_CMP_LE", SCMP_CMP_LE}, {"SCMP_CMP_EQ", SCMP_CMP_EQ},
      {"SCMP_CMP_GE", SCMP_CMP_GE}, {"SCMP_CMP_GT", SCMP_CMP_GT}, {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};
  for (size_t i = 0; name && i < sizeof all / sizeof *all; i++)
    if (!strcmp(all[i].name, name)) return all[i].is;
  fail("unknown operator", name);
}

static void add(scmp_filter_ctx filter, uint32_t does, const char *name, unsigned count, const struct scmp_arg_cmp *when) {
  int call = seccomp_syscall_resolve_name(name);
  if (call == __NR_SCMP_ERROR) return;
  int error = seccomp_rule_add_array(filter, does, call, count, when);
  if (error) fail(strerror(-error), name);
}

static void conditional(scmp_filter_ctx filter, uint32_t does, uint32_t otherwise) {
  const char *name = word(), *index;
  if (!name) fail("a system call", name);
  struct scmp_arg_cmp when[ARGUMENTS];
  unsigned count = 0;
  while ((index = word())) {
    if (count == ARGUMENTS || index[1] || *index < '0' || *index > '5') fail("not an argument", index);
    enum scmp_compare op = operator(word());
    unsigned long long first = number(), second = number();
    when[count++] = (struct scmp_arg_cmp){(unsigned)(*index - '0'), op, first, second};
  }
  if (does != otherwise) add(filter, does, name, count, when);
}

static void architecture(scmp_filter_ctx filter) {
  const char *name = word();
  uint32_t arch = name ? seccomp_arch_resolve_name(name) : 0;
  if (!arch) fail("unknown architecture", name);
  int error = seccomp_arch_add(filter, arch);
  if (error && error != -EEXIST) fail(strerror(-error), name);
}

static scmp_filter_ctx filter_of(FILE *rules) {
  scmp_filter_ctx filter = NULL;
  uint32_t otherwise = 0;
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, rules) > 0) {
    const char *kind = strtok(line, " \n");
    if (!kind) continue;
    if (!filter) {
      if (strcmp(kind, "default")) fail("not the default", kind);
      otherwise = action();
      if (!(filter = seccomp_init(otherwise))) fail("no filter", "seccomp_init");
    } else if (!strcmp(kind, "arch")) {
      architecture(filter);
    } else if (!strcmp(kind, "rule")) {
      uint32_t does = action();
      for (const char *name; (name = word());)
        if (does != otherwise) add(filter, does, name, 0, NULL);
    } else if (!strcmp(kind, "when")) {
      uint32_t does = action();
      conditional(filter, does, otherwise);
    } else {
      fail("unknown line", kind);
    }
  }
  free(line);
  if (!filter) fail("no rules", "default");
  return filter;
}

int main(int argc, char **argv) {
  if (chdir("/job")) fail("/job", strerror(errno));
  for (int i = 1; i < argc; i++) {
    char name[256];
    snprintf(name, sizeof name, "%s.rules", argv[i]);
    FILE *rules = fopen(name, "r");
    if (!rules) fail(name, strerror(errno));
    scmp_filter_ctx filter = filter_of(rules);
    fclose(rules);
    snprintf(name, sizeof name, "%s.bpf", argv[i]);
    int out = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int error = out < 0 ? -errno : seccomp_export_bpf(filter, out);
    if (error || close(out)) fail(name, strerror(-error));
    seccomp_release(filter);
  }
}
