/* What the parts of PID 1 share. One process, one loop: nothing in it waits for a child or for somebody's socket. */
#ifndef INIT_H
#define INIT_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stddef.h>
#include <sys/types.h>

#define MOST 128 /* containers */
#define FIELDS 64
#define RUN "/run/machine"
#define PLAN "/etc/machine"
#define LIVE RUN "/live" /* a plan and layers beside the own ones, of a machine that was started from a medium */
#ifndef RUNTIME
#define RUNTIME "/usr/bin/crun"
#endif
#define USER 1000
#ifndef DISK_TIME
#define DISK_TIME 20.0 /* seconds in which a disk that is named must have come */
#endif
#define NEVER 1e9 /* seconds */
#define CALM 60.0 /* seconds: who ran that long begins anew with short delays */

/* say.c: what both stages need */
double now(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
int attach(const char *what, const char *where, const char *kind, unsigned long flags, const char *options);
void folders(const char *path, mode_t mode);
int read_text(const char *path, char *text, size_t size);
int write_text(const char *path, const char *text);
pid_t branch(const char *name);
pid_t start(char *const argv[], int output);
int finish(char *const argv[]);
int result(int status);

/* disk.c: the disks that the kernel's command line names */
int argument(const char *name, char *value, size_t size);
int find_disk(const char *what, char *path, size_t size, double patience);

/* own_disk.c: whether a partition lies on the disk from which the machine was started */
int is_on_own_disk(const char *partition);
int own_disk_seen(void); /* whether one has been found there */

/* medium.c: a CD or a memory stick */
int map_medium(const char *piece, char *path, size_t size);

/* early.c: in the initramfs */
void enter_system(void);
void wait_for_beside(void);

/* state.c: the disk that keeps; whether there is one */
extern int state_kept;
void mount_state(void);
void state_helper_ended(pid_t pid, int status);
int is_newer_state(const char *mark); /* of a system that is newer than this one; `mark` is its file of that name */

/* move.c: the state on another disk than it was */
int moved_elsewhere(const char *disk, char *other, size_t size);

/* settings.c: what of the kernel is set once */
void settle_kernel(void);
void name_host(const char *name);
void name_host_by_file(void);

/* store.c: layers of images; container.c: what a container stands on; copy.c: trees */
int mount_layer(const char *id);
void let_go_of_layers(void);
void release_layers(void);
int make_root(const char *name, const char *layers);
void config_of(const char *name, char *path, size_t size);
void link_config(const char *name, const char *updated);
void link_unit(const char *name, const char *updated, const char *filter);
void drop_root(const char *name);
void make_ipc(const char *name, const char *bytes);
void make_volume(const char *source, const char *name, const char *target);
void keep_volumes(void);
int copy_tree(const char *from, const char *to);
int remove_tree(const char *path);

/* log.c: what containers say */
struct log {
  char name[128];
  int out, in, file;
  long used, sent;
  char tail[1024]; /* the last that was said */
  size_t tail_used;
};
void open_log(struct log *log, const char *name);
void drain_log(struct log *log);
void say_tail(struct log *log, int lines);
size_t read_log(struct log *log, char *text, size_t size);
void close_logs(void);
struct job;
void declare_keeper(const char *job, const char *path); /* the module that keeps them, and its socket */
int keeps_logs(const struct job *job);
double advance_logs(void);

/* trouble.c: what goes wrong while all goes on */
double advance_troubles(void);
void say_last_words(struct job *job);
int teller_ended(pid_t pid);

/* socket.c: whether somebody takes connections; a question costs little, and one that has been answered is not asked again at once */
int all_answer(char **paths);
void forget_answers(char **paths);

/* job.c: a container as long as the machine runs */
enum phase { WAITING, STARTING, RUNNING, CLEANING, ENDED };
enum source { SHIPPED, UPDATED, TRIED }; /* as the system came with it, or as an update of its module has it */
struct job {
  char *name, *layers;
  char config[160], filter[160]; /* of its update; empty: the system's own */
  char **sockets; /* must answer before it is started */
  char **after;   /* names of jobs that end after it */
  char **answers; /* its own sockets, which answer once it is ready */
  char **asks;    /* a command inside that says whether it is ready */
  char **looks;   /* the container that has its screen, and a command there that says whether it is drawn */
  char restart;   /* 'a'lways, on 'f'ailure, 'n'ever */
  char wanted;    /* whether it should run */
  char *desktop;  /* whose it is; NULL: the machine's own */
  char rests;     /* started once somebody wants to see its desktop, and not with the machine, or again after that was ended */
  char leaving;   /* its desktop ends: 1, or 2: it has been told */
  char later;     /* not needed for the picture, and started once that is there */
  char root_made, ready, told, again;
  char answered;  /* what it asks says yes; it has still to be seen */
  char drawn;     /* it was seen to be, at this start or a former one */
  char damaged, was_ready, moving; /* trial.c */
  enum source from;
  const char *verdict; /* on its update: "failed", "back"; NULL: what `from` says */
  double within;       /* seconds in which it must be ready on trial */
  char bereft;    /* a device that it declares is not there */
  char stopping; /* 1: told to end, 2: killed */
  enum phase phase;
  pid_t pid, asker;
  ino_t note; /* Podman's of it, under systemd */
  off_t ends; /* how much of its unit's notes of its ends has been read */
  int fails, starts, refusals;
  double began, due, deadline, ask_due, asked_at, ready_at;
  struct log log;
};
extern struct job jobs[MOST];
extern int job_count;
struct job *find_job(const char *name);
struct job *make_job(const char *name);
int leans_on(const struct job *job, const struct job *other); /* it ends before the other */
int is_bereft(const struct job *job);      /* it, or one that it stands on, lacks a device: nobody waits for it */
int waits_for_card(const struct job *job); /* it, or one that it stands on, has not had its turn */
int picture_there(void);
int held_back(const struct job *job); /* it waits for others to have made the picture */
double advance_jobs(void);
void job_ended(pid_t pid, int status);
void stop_job(struct job *job);
void restart_job(struct job *job);
void count_death(struct job *job, double ran);
double end_jobs(void); /* 0 once all have ended */

/* ready.c: whether containers do what they are there for */
double advance_checks(void);
int check_ended(pid_t pid, int status);
extern int machine_ready;

/* device.c: what the kernel tells of devices, and who is given them; driver.c: the kernel's modules */
void open_devices(void);
void coldplug(void);
void declare_device(const char *job, const char *folder);
void want_settled(const char *job);
int wants_devices(const char *job);
int devices_there(const char *job);
double advance_devices(void);
int loader_ended(pid_t pid);
int know_drivers(void); /* whether there are any */
void load_for(char **aliases, int count);
int modprobe(const char *name);
void look_for_button(const char *node);
void look_for_buttons(void);

/* coldplug.c: drivers for what was there from the first */
#define MOST_ALIASES 4096
void find_devices(void);
pid_t load_what_is_seen(void);
pid_t load_all_else(void);
pid_t load_beside(char **aliases, int count, int politeness);
/* news.c: containers that are told of devices */
void declare_news(const char *name, const char *space);
int news_end(void);
void pass_news_on(const char *text, size_t length);

/* asks.c: what a module may ask for */
enum grant { GRANT_STICKS, GRANT_NEWS };
int open_asks(const char *job, enum grant grant);
void answer_asker(pid_t pid, const char *why);

/* stick.c: memory sticks, mounted as a module asks */
#define STICKS "/dev/sticks"
const char *mount_stick(const char *node, const char *kind, const char *how, const char *name, pid_t *pid);
void declare_sticks(const char *job, const char *folder);
void stick_news(const char *action, const char *node);
void stick_ended(pid_t pid, int status);
void look_for_sticks(void);
void each_stick(void (*tell)(int file, const char *node, const char *name, const char *kind, const char *state), int file);
pid_t eject_stick(const char *name);
void let_go_of_sticks(void);

/* terminal.c: virtual terminals, and whose is seen */
void declare_terminal(const char *job, const char *number, const char *kind);
int has_turn(const char *job);
int is_hidden(const char *display);
int show_terminal(const char *job);
void say_terminals(void);
void each_terminal(void (*tell)(int file, const char *job, int number, int draws, int seen), int file);
double advance_terminals(void);

/* desktop.c: containers that are started and ended together */
void declare_desktop(const char *job, const char *desktop, int rests);
int start_desktop(const char *name);
int stop_desktop(const char *name);
void each_desktop(void (*tell)(int file, const char *name, const char *state), int file);
double advance_desktops(void);

/* demand.c: what modules need of the kernel */
void add_demand(char **fields);
void look_at_demands(void);

/* link.c: ports of a virtual machine's, by their names, each to a socket inside */
void add_link(const char *port, const char *path);
double advance_links(void);
int link_ended(pid_t pid);

/* grow.c: a partition on a disk that is larger than its image was */
void grow_partition(const char *partition);

/* mapper.c: the kernel's device mapper */
int map_device(const char *name, const char *target, const char *words, unsigned long long sectors);
void unmap_device(const char *name);
int device_status(const char *name, char *text, size_t size);

/* verity.c: system and store checked as they are read */
int check_disk(const char *part, char *disk, size_t size);
int map_checked(const char *name, const char *disk, const char *told);
int into_memory(const char *program, const char *copy);
void verity_news(const char *text, size_t length);
void look_for_damage(void);

/* slot.c: which of a disk's two slots this is, and whether it is kept */
int own_slot(void); /* 'a', 'b', or 0 */
void begin_slot(void);
double advance_slot(void);
int slot_helper_ended(pid_t pid, int status);
void slot_damaged(const char *part, const char *block);
void give_slot_up(void);
int leave_slot(void);

/* transfer.c: what comes from outside, each in a process of its own: the other slot (receive.c), updates (update_files.c) */
int is_apart(const char *verb);
pid_t serve_apart(int file, char **words);

/* update.c: single modules as updates have them; trial.c: whether these get ready */
int describe_update(struct job *job, char **fields, int count);
int sealed_layer(const char *id, char *path, size_t size, const char **sum, const char **told);
int stand_on(struct job *job, enum source from);
void stand_on_best(struct job *job);
void know_source(struct job *job);
void describe_updated(void);
void drop_trials(void);
void begin_updates(void);
double advance_changes(void);
int change_helper_ended(pid_t pid, int status);
int changes(const struct job *job);
const char *try_update(struct job *job);
const char *undo_update(struct job *job);
void layer_damaged(const char *id, const char *block);

/* systemd.c: systemd as PID 1, and this program as one of its services */
extern int under_systemd;
int systemd_wanted(void);
void become_systemd(void);
void know_state(void);
char *known_as(const char *name, char *id, size_t size);
#define UNITS "/run/containers/systemd"
double advance_watched(struct job *job);
void start_unit(struct job *job);
void stop_unit(struct job *job);
pid_t read_units(void);
char **log_words(const char *name);
char **last_words(const char *name, int lines);
void end_by_systemd(int how);
int end_refused(pid_t pid, int status);
int runs_still(struct job *job);
void unit_of(const char *name, char *unit, size_t size);

/* starts.c: a slot whose systemd does not live long enough to say what is wrong with it */
int is_started_in_vain(void);
void look_at_start(void);

/* processes.c: who runs */
void each_process(void (*tell)(int file, const char *pid, const char *container, const char *program), int file);

/* keep.c: for who keeps the machine's data */
void begin_custody(void);
pid_t stand_still(const void *whom, struct job *const *wanted);
void go_on(const void *whom, const char *why);
double advance_still(void);
int take_laid(void);

/* place.c: single files out of a backup */
int place_laid(void);

/* control.c: commands by a socket */
void open_control(void);
double advance_answers(void);
void open_keeping(void);
void open_commands(const char *name);
int act_ended(pid_t pid, int status);

/* unit.c: what systemd runs for a unit; whether it failed */
#define AT_THE_END RUN "/ending" /* there while the machine ends */
int end_unit(const char *unit);
int note_end_of_unit(const char *unit);

/* plan.c: the lines that it obeys */
void read_plan(void);
const char *plan_path(void);
int system_version(char *version, size_t size);
void describe_job(struct job *job, const char *path, int of_update);

/* loop.c */
extern int ending; /* 0, or what reboot(2) is told in the end */
void end_machine(int how, const char *why);
void watch(int file, void (*call)(int file, void *what), void *what);
void unwatch(int file);
void supervise(void);
int main(int count, char **words);
#endif
