/*
 * login1: org.freedesktop.login1 for a desktop in containers, where one user has one session on one seat.
 *
 * What a desktop environment asks of systemd-logind is answered here for real: who is logged in, whether the session is idle or locked,
 * requests to lock it, inhibitors that last as long as their file descriptor. What a container cannot do (power off, suspend, switch
 * terminals, hand out devices) is said to be not available, as logind says it, or is not there at all.
 *
 * It is started by the desktop's system bus when it is first asked for, and again if it dies. Everything it knows is in memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define ROOT "/org/freedesktop/login1"
#define SESSION_PATH ROOT "/session/_31" /* "1" as systemd escapes a leading digit */
#define SEAT_PATH ROOT "/seat/seat0"
#define MANAGER "org.freedesktop.login1.Manager"
#define SESSION "org.freedesktop.login1.Session"
#define USER "org.freedesktop.login1.User"
#define SEAT "org.freedesktop.login1.Seat"
#define MOST_INHIBITORS 256

struct inhibitor {
    struct inhibitor *next;
    char *what, *who, *why, *mode;
    uint32_t uid, pid;
    int fd; /* our end of a pipe: it hangs up when the last copy of the other end is closed */
    sd_event_source *source;
};

static struct {
    sd_bus *bus;
    sd_event *event;
    struct inhibitor *inhibitors;
    uint64_t inhibitor_count;
    char user_path[64];
    /* Properties, read by their offset. */
    const char *session, *seat, *name, *type, *class, *state, *desktop, *display, *runtime, *empty, *ignore;
    uint32_t uid, gid, zero;
    uint64_t since, since_monotonic, idle_since, idle_since_monotonic, none, one, delay_max;
    int yes, no, idle, locked;
} it;

static uint64_t now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* --- references: an id and the object that it stands for --- */

static int add_session(sd_bus_message *m) { return sd_bus_message_append(m, "(so)", it.session, SESSION_PATH); }

static int get_session_ref(sd_bus *b, const char *p, const char *i, const char *n, sd_bus_message *reply, void *u, sd_bus_error *e) {
    return add_session(reply);
}

static int get_sessions(sd_bus *b, const char *p, const char *i, const char *n, sd_bus_message *reply, void *u, sd_bus_error *e) {
    return sd_bus_message_append(reply, "a(so)", 1, it.session, SESSION_PATH);
}

static int get_user_ref(sd_bus *b, const char *p, const char *i, const char *n, sd_bus_message *reply, void *u, sd_bus_error *e) {
    return sd_bus_message_append(reply, "(uo)", it.uid, it.user_path);
}

static int get_seat_ref(sd_bus *b, const char *p, const char *i, const char *n, sd_bus_message *reply, void *u, sd_bus_error *e) {
    return sd_bus_message_append(reply, "(so)", it.seat, SEAT_PATH);
}

static bool is_session(const char *id) { return !strcmp(id, it.session) || !strcmp(id, "self") || !strcmp(id, "auto") || !*id; }

static int no_session(sd_bus_error *e, const char *id) {
    return sd_bus_error_setf(e, "org.freedesktop.login1.NoSuchSession", "No session '%s' known", id);
}

/* --- inhibitors --- */

static int get_inhibited(sd_bus *b, const char *p, const char *i, const char *property, sd_bus_message *reply, void *u, sd_bus_error *e) {
    static const char *const all[] = {"shutdown", "sleep", "idle", "handle-power-key", "handle-suspend-key", "handle-hibernate-key",
                                      "handle-lid-switch", "handle-reboot-key"};
    const char *mode = !strcmp(property, "DelayInhibited") ? "delay" : "block";
    char list[256] = "";
    for (size_t n = 0; n < sizeof all / sizeof *all; n++)
        for (struct inhibitor *one = it.inhibitors; one; one = one->next) {
            char inside[300], word[64];
            snprintf(inside, sizeof inside, ":%s:", one->what);
            snprintf(word, sizeof word, ":%s:", all[n]);
            if (strcmp(one->mode, mode) || !strstr(inside, word))
                continue;
            if (*list)
                strcat(list, ":");
            strcat(list, all[n]);
            break;
        }
    return sd_bus_message_append(reply, "s", list);
}

static bool known(const char *what) {
    char copy[256], *rest = copy;
    if (snprintf(copy, sizeof copy, "%s", what) >= (int)sizeof copy || !*copy)
        return false;
    for (char *word; (word = strsep(&rest, ":"));) {
        char inside[64];
        if (!*word || snprintf(inside, sizeof inside, ":%s:", word) >= (int)sizeof inside
            || !strstr(":shutdown:sleep:idle:handle-power-key:handle-suspend-key:handle-hibernate-key:handle-lid-switch:handle-reboot-key:",
                       inside))
            return false;
    }
    return true;
}

static void say_inhibited(void) {
    sd_bus_emit_properties_changed(it.bus, ROOT, MANAGER, "BlockInhibited", "DelayInhibited", "NCurrentInhibitors", NULL);
}

static int let_go(sd_event_source *source, int fd, uint32_t events, void *data) {
    struct inhibitor *gone = data;
    for (struct inhibitor **link = &it.inhibitors; *link; link = &(*link)->next)
        if (*link == gone) {
            *link = gone->next;
            break;
        }
    it.inhibitor_count--;
    sd_event_source_unref(gone->source);
    close(gone->fd);
    free(gone->what), free(gone->who), free(gone->why), free(gone->mode), free(gone);
    say_inhibited();
    return 0;
}

static int inhibit(sd_bus_message *m, void *u, sd_bus_error *e) {
    const char *what, *who, *why, *mode;
    int ends[2], r = sd_bus_message_read(m, "ssss", &what, &who, &why, &mode);
    if (r < 0)
        return r;
    if (!known(what))
        return sd_bus_error_setf(e, SD_BUS_ERROR_INVALID_ARGS, "Invalid what specification %s", what);
    if (strcmp(mode, "block") && strcmp(mode, "block-weak") && strcmp(mode, "delay"))
        return sd_bus_error_setf(e, SD_BUS_ERROR_INVALID_ARGS, "Invalid mode specification %s", mode);
    if (it.inhibitor_count >= MOST_INHIBITORS)
        return sd_bus_error_setf(e, SD_BUS_ERROR_LIMITS_EXCEEDED, "Maximum number of inhibitors (%d) reached", MOST_INHIBITORS);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    struct inhibitor *new = calloc(1, sizeof *new);
    sd_bus_creds *creds = NULL;
    *new = (struct inhibitor){it.inhibitors, strdup(what), strdup(who), strdup(why), strdup(mode), it.uid, 0, ends[0], NULL};
    if (sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID | SD_BUS_CREDS_PID, &creds) >= 0) {
        pid_t pid = 0;
        sd_bus_creds_get_euid(creds, &new->uid);
        if (sd_bus_creds_get_pid(creds, &pid) >= 0)
            new->pid = (uint32_t)pid;
        sd_bus_creds_unref(creds);
    }
    it.inhibitors = new;
    it.inhibitor_count++;
    sd_event_add_io(it.event, &new->source, ends[0], EPOLLHUP, let_go, new);
    r = sd_bus_reply_method_return(m, "h", ends[1]);
    close(ends[1]);
    say_inhibited();
    return r;
}

static int list_inhibitors(sd_bus_message *m, void *u, sd_bus_error *e) {
    sd_bus_message *reply;
    int r = sd_bus_message_new_method_return(m, &reply);
    if (r < 0)
        return r;
    sd_bus_message_open_container(reply, 'a', "(ssssuu)");
    for (struct inhibitor *one = it.inhibitors; one; one = one->next)
        sd_bus_message_append(reply, "(ssssuu)", one->what, one->who, one->why, one->mode, one->uid, one->pid);
    sd_bus_message_close_container(reply);
    r = sd_bus_message_send(reply);
    sd_bus_message_unref(reply);
    return r;
}

/* --- the manager --- */

static int get_session(sd_bus_message *m, void *u, sd_bus_error *e) {
    const char *id;
    int r = sd_bus_message_read(m, "s", &id);
    if (r < 0)
        return r;
    return is_session(id) ? sd_bus_reply_method_return(m, "o", SESSION_PATH) : no_session(e, id);
}

/* A process id is one of the caller's own container and says nothing here; whoever reaches this bus belongs to the one session. */
static int get_session_by_pid(sd_bus_message *m, void *u, sd_bus_error *e) { return sd_bus_reply_method_return(m, "o", SESSION_PATH); }
static int get_user_by_pid(sd_bus_message *m, void *u, sd_bus_error *e) { return sd_bus_reply_method_return(m, "o", it.user_path); }

static int get_user(sd_bus_message *m, void *u, sd_bus_error *e) {
    uint32_t uid;
    int r = sd_bus_message_read(m, "u", &uid);
    if (r < 0)
        return r;
    if (uid != it.uid)
        return sd_bus_error_setf(e, "org.freedesktop.login1.NoSuchUser", "User ID %u is not logged in", uid);
    return sd_bus_reply_method_return(m, "o", it.user_path);
}

static int get_seat(sd_bus_message *m, void *u, sd_bus_error *e) {
    const char *id;
    int r = sd_bus_message_read(m, "s", &id);
    if (r < 0)
        return r;
    if (strcmp(id, it.seat) && strcmp(id, "self") && strcmp(id, "auto") && *id)
        return sd_bus_error_setf(e, "org.freedesktop.login1.NoSuchSeat", "No seat '%s' known", id);
    return sd_bus_reply_method_return(m, "o", SEAT_PATH);
}

static int list_sessions(sd_bus_message *m, void *u, sd_bus_error *e) {
    return sd_bus_reply_method_return(m, "a(susso)", 1, it.session, it.uid, it.name, it.seat, SESSION_PATH);
}
static int list_users(sd_bus_message *m, void *u, sd_bus_error *e) {
    return sd_bus_reply_method_return(m, "a(uso)", 1, it.uid, it.name, it.user_path);
}
static int list_seats(sd_bus_message *m, void *u, sd_bus_error *e) { return sd_bus_reply_method_return(m, "a(so)", 1, it.seat, SEAT_PATH); }

static int can_not(sd_bus_message *m, void *u, sd_bus_error *e) { return sd_bus_reply_method_return(m, "s", "na"); }
static int will_not(sd_bus_message *m, void *u, sd_bus_error *e) {
    return sd_bus_error_setf(e, "org.freedesktop.login1.SleepVerbNotSupported", "%s is not supported in a container",
                             sd_bus_message_get_member(m));
}
static int nothing(sd_bus_message *m, void *u, sd_bus_error *e) { return sd_bus_reply_method_return(m, NULL); }

static int get_no_shutdown(sd_bus *b, const char *p, const char *i, const char *n, sd_bus_message *reply, void *u, sd_bus_error *e) {
    return sd_bus_message_append(reply, "(st)", "", (uint64_t)0);
}

/* --- the session --- */

/* LockSession(id), LockSessions(), Session.Lock() and their opposites: one signal, for whoever draws the lock screen. */
static int lock(sd_bus_message *m, void *u, sd_bus_error *e) {
    const char *id = it.session, *signal = strncmp(sd_bus_message_get_member(m), "Lock", 4) ? "Unlock" : "Lock";
    if (sd_bus_message_has_signature(m, "s") && sd_bus_message_read(m, "s", &id) < 0)
        return -EINVAL;
    if (!is_session(id))
        return no_session(e, id);
    sd_bus_emit_signal(it.bus, SESSION_PATH, SESSION, signal, NULL);
    return sd_bus_reply_method_return(m, NULL);
}

static int activate(sd_bus_message *m, void *u, sd_bus_error *e) { /* the one session is always the active one */
    const char *id = it.session;
    if (sd_bus_message_has_signature(m, "s") && sd_bus_message_read(m, "s", &id) < 0)
        return -EINVAL;
    return is_session(id) ? sd_bus_reply_method_return(m, NULL) : no_session(e, id);
}

static int set_idle(sd_bus_message *m, void *u, sd_bus_error *e) {
    int idle, r = sd_bus_message_read(m, "b", &idle);
    if (r < 0)
        return r;
    if (idle != it.idle) {
        it.idle = idle;
        it.idle_since = now(CLOCK_REALTIME);
        it.idle_since_monotonic = now(CLOCK_MONOTONIC);
        const char *const objects[][2] = {{SESSION_PATH, SESSION}, {it.user_path, USER}, {SEAT_PATH, SEAT}, {ROOT, MANAGER}};
        for (size_t n = 0; n < sizeof objects / sizeof *objects; n++)
            sd_bus_emit_properties_changed(it.bus, objects[n][0], objects[n][1], "IdleHint", "IdleSinceHint", "IdleSinceHintMonotonic", NULL);
    }
    return sd_bus_reply_method_return(m, NULL);
}

static int set_locked(sd_bus_message *m, void *u, sd_bus_error *e) {
    int locked, r = sd_bus_message_read(m, "b", &locked);
    if (r < 0)
        return r;
    if (locked != it.locked) {
        it.locked = locked;
        sd_bus_emit_properties_changed(it.bus, SESSION_PATH, SESSION, "LockedHint", NULL);
    }
    return sd_bus_reply_method_return(m, NULL);
}

/* --- what the objects have --- */

#define U SD_BUS_VTABLE_UNPRIVILEGED
#define CONST(name, signature, field) SD_BUS_PROPERTY(name, signature, NULL, offsetof(__typeof__(it), field), SD_BUS_VTABLE_PROPERTY_CONST)
#define VALUE(name, signature, field) \
    SD_BUS_PROPERTY(name, signature, NULL, offsetof(__typeof__(it), field), SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define REF(name, signature, getter) SD_BUS_PROPERTY(name, signature, getter, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define IDLE VALUE("IdleHint", "b", idle), VALUE("IdleSinceHint", "t", idle_since), VALUE("IdleSinceHintMonotonic", "t", idle_since_monotonic)
#define POWER(verb) SD_BUS_METHOD(verb, "b", "", will_not, U), SD_BUS_METHOD(verb "WithFlags", "t", "", will_not, U), \
    SD_BUS_METHOD("Can" verb, "", "s", can_not, U)

static const sd_bus_vtable manager[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("GetSession", "s", "o", get_session, U),
    SD_BUS_METHOD("GetSessionByPID", "u", "o", get_session_by_pid, U),
    SD_BUS_METHOD("GetUser", "u", "o", get_user, U),
    SD_BUS_METHOD("GetUserByPID", "u", "o", get_user_by_pid, U),
    SD_BUS_METHOD("GetSeat", "s", "o", get_seat, U),
    SD_BUS_METHOD("ListSessions", "", "a(susso)", list_sessions, U),
    SD_BUS_METHOD("ListUsers", "", "a(uso)", list_users, U),
    SD_BUS_METHOD("ListSeats", "", "a(so)", list_seats, U),
    SD_BUS_METHOD("Inhibit", "ssss", "h", inhibit, U),
    SD_BUS_METHOD("ListInhibitors", "", "a(ssssuu)", list_inhibitors, U),
    SD_BUS_METHOD("ActivateSession", "s", "", activate, U),
    SD_BUS_METHOD("LockSession", "s", "", lock, U),
    SD_BUS_METHOD("UnlockSession", "s", "", lock, U),
    SD_BUS_METHOD("LockSessions", "", "", lock, U),
    SD_BUS_METHOD("UnlockSessions", "", "", lock, U),
    POWER("PowerOff"), POWER("Reboot"), POWER("Halt"), POWER("Suspend"), POWER("Hibernate"), POWER("HybridSleep"), POWER("SuspendThenHibernate"),
    SD_BUS_METHOD("CanRebootToFirmwareSetup", "", "s", can_not, U),
    SD_BUS_METHOD("CanRebootToBootLoaderMenu", "", "s", can_not, U),
    SD_BUS_METHOD("CanRebootToBootLoaderEntry", "", "s", can_not, U),
    CONST("NCurrentSessions", "t", one), VALUE("NCurrentInhibitors", "t", inhibitor_count),
    SD_BUS_PROPERTY("BlockInhibited", "s", get_inhibited, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("DelayInhibited", "s", get_inhibited, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    REF("ScheduledShutdown", "(st)", get_no_shutdown), CONST("InhibitDelayMaxUSec", "t", delay_max),
    CONST("PreparingForShutdown", "b", no), CONST("PreparingForSleep", "b", no), CONST("Docked", "b", no), CONST("LidClosed", "b", no),
    CONST("OnExternalPower", "b", yes), CONST("KillUserProcesses", "b", no), CONST("EnableWallMessages", "b", no), CONST("WallMessage", "s", empty),
    CONST("IdleAction", "s", ignore), CONST("IdleActionUSec", "t", none), CONST("HandlePowerKey", "s", ignore),
    CONST("HandleSuspendKey", "s", ignore), CONST("HandleHibernateKey", "s", ignore), CONST("HandleLidSwitch", "s", ignore),
    IDLE,
    SD_BUS_SIGNAL("SessionNew", "so", 0), SD_BUS_SIGNAL("SessionRemoved", "so", 0), SD_BUS_SIGNAL("UserNew", "uo", 0),
    SD_BUS_SIGNAL("UserRemoved", "uo", 0), SD_BUS_SIGNAL("SeatNew", "so", 0), SD_BUS_SIGNAL("SeatRemoved", "so", 0),
    SD_BUS_SIGNAL("PrepareForShutdown", "b", 0), SD_BUS_SIGNAL("PrepareForSleep", "b", 0),
    SD_BUS_VTABLE_END,
};

static const sd_bus_vtable session[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Activate", "", "", activate, U), SD_BUS_METHOD("Lock", "", "", lock, U), SD_BUS_METHOD("Unlock", "", "", lock, U),
    SD_BUS_METHOD("SetIdleHint", "b", "", set_idle, U), SD_BUS_METHOD("SetLockedHint", "b", "", set_locked, U),
    SD_BUS_METHOD("SetDisplay", "s", "", nothing, U),
    CONST("Id", "s", session), REF("User", "(uo)", get_user_ref), CONST("Name", "s", name), REF("Seat", "(so)", get_seat_ref),
    CONST("Timestamp", "t", since), CONST("TimestampMonotonic", "t", since_monotonic), CONST("VTNr", "u", zero), CONST("TTY", "s", empty),
    CONST("Display", "s", display), CONST("Remote", "b", no), CONST("RemoteHost", "s", empty), CONST("RemoteUser", "s", empty),
    CONST("Service", "s", desktop), CONST("Desktop", "s", empty), CONST("Scope", "s", empty), CONST("Leader", "u", zero), CONST("Audit", "u", zero),
    CONST("Type", "s", type), CONST("Class", "s", class), CONST("Active", "b", yes), CONST("State", "s", state),
    CONST("CanIdle", "b", yes), CONST("CanLock", "b", yes), VALUE("LockedHint", "b", locked), IDLE,
    SD_BUS_SIGNAL("Lock", "", 0), SD_BUS_SIGNAL("Unlock", "", 0),
    SD_BUS_VTABLE_END,
};

static const sd_bus_vtable user[] = {
    SD_BUS_VTABLE_START(0),
    CONST("UID", "u", uid), CONST("GID", "u", gid), CONST("Name", "s", name), CONST("Timestamp", "t", since),
    CONST("TimestampMonotonic", "t", since_monotonic), CONST("RuntimePath", "s", runtime), CONST("Service", "s", empty), CONST("Slice", "s", empty),
    REF("Display", "(so)", get_session_ref), CONST("State", "s", state), REF("Sessions", "a(so)", get_sessions), CONST("Linger", "b", no), IDLE,
    SD_BUS_VTABLE_END,
};

static const sd_bus_vtable seat[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("ActivateSession", "s", "", activate, U),
    CONST("Id", "s", seat), REF("ActiveSession", "(so)", get_session_ref), CONST("CanMultiSession", "b", no), CONST("CanTTY", "b", no),
    CONST("CanGraphical", "b", yes), REF("Sessions", "a(so)", get_sessions), IDLE,
    SD_BUS_VTABLE_END,
};

/* Each kind has one object; callers know it by its path or as theirs. */
static int find(sd_bus *b, const char *path, const char *interface, void *data, void **found, sd_bus_error *e) {
    const char *last = strrchr(path, '/') + 1, *real = strrchr(data, '/') + 1;
    *found = &it;
    return !strcmp(last, real) || !strcmp(last, "self") || !strcmp(last, "auto");
}

static int enumerate(sd_bus *b, const char *prefix, void *data, char ***nodes, sd_bus_error *e) {
    char **list = calloc(2, sizeof *list);
    list[0] = strdup(data);
    *nodes = list;
    return 0;
}

static void must(int r, const char *what) {
    if (r >= 0)
        return;
    fprintf(stderr, "login1: %s: %s\n", what, strerror(-r));
    exit(1);
}

static void offer(const char *prefix, const char *interface, const sd_bus_vtable *table, char *path) {
    must(sd_bus_add_fallback_vtable(it.bus, NULL, prefix, interface, table, find, path), interface);
    must(sd_bus_add_node_enumerator(it.bus, NULL, prefix, enumerate, path), prefix);
}

int main(void) {
    const struct passwd *who = getpwuid(getuid());
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    it.session = "1", it.seat = "seat0", it.name = who ? who->pw_name : "user", it.type = "x11", it.class = "user", it.state = "active";
    it.desktop = "modulux", it.display = ":0", it.runtime = runtime ? runtime : "", it.empty = "", it.ignore = "ignore";
    it.uid = getuid(), it.gid = getgid(), it.yes = 1, it.one = 1, it.none = UINT64_MAX, it.delay_max = 5000000;
    it.since = now(CLOCK_REALTIME), it.since_monotonic = now(CLOCK_MONOTONIC);
    snprintf(it.user_path, sizeof it.user_path, ROOT "/user/_%u", it.uid);

    must(sd_event_default(&it.event), "event loop");
    must(sd_bus_open_system(&it.bus), "the system bus");
    must(sd_bus_add_object_vtable(it.bus, NULL, ROOT, MANAGER, manager, &it), MANAGER);
    offer(ROOT "/session", SESSION, session, SESSION_PATH);
    offer(ROOT "/user", USER, user, it.user_path);
    offer(ROOT "/seat", SEAT, seat, SEAT_PATH);
    must(sd_bus_request_name(it.bus, "org.freedesktop.login1", 0), "the name org.freedesktop.login1");
    must(sd_bus_attach_event(it.bus, it.event, SD_EVENT_PRIORITY_NORMAL), "event loop");
    must(sd_bus_set_exit_on_disconnect(it.bus, true), "event loop");
    return sd_event_loop(it.event) < 0;
}
