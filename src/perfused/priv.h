/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What perfused's files know of each other. Three kinds of process run this program:
 *
 *   the parent   (parent.c, kept.c, child.c, listen.c)   starts engines, keeps what it mounted; with -i it has exactly one engine
 *   a worker     (worker.c)              a short-lived child of the parent that does one mount or unmount, or closes what a peer
 *                                        could write to, because each may wait for somebody else, and the parent waits for nobody
 *   an engine    (spawn.c, intake.c, engine_proc.c, control.c, sandbox_linux.c)   one per mount, without privilege
 *
 * An engine asks for its mount over a socketpair (struct priv_mount and the mountpoint's descriptor, which a worker reads), and for
 * unmounts through a pipe (struct priv_unmount). struct priv_answer comes back over the socketpair. All are of fixed size.
 */
#ifndef PERFUSED_PRIV_H
#define PERFUSED_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/fdpass.h"
#include "base/loop.h"
#include "ctl/frame.h"
#include "ctl/status.h"
#include "host/linux/linux.h"
#include "perfused/check.h"
#include "perfused/peer.h"

enum {                      /* the descriptors that an engine is started with */
	ENGINE_CONN = 3,    /* the peer's connection */
	ENGINE_PARENT = 4,  /* the socketpair to the parent */
	ENGINE_ASK = 5,     /* the pipe to the parent */
	ENGINE_CONTROL = 6, /* the listening control socket; not open when it could not be made */
};

enum { /* what an engine is told of its peer beside the numbers */
	ENGINE_ROOT = 1,
	ENGINE_FOREIGN = 2,
	ENGINE_OTHER_USER = 4,
	ENGINE_BARE = 8, /* struct options */
};

/* ---- the records between engine and parent ---- */

enum {
	PRIV_ID_MOUNT = 1
}; /* the id of the answer to a struct priv_mount; with it comes /dev/fuse. It may be sent once */

struct priv_mount {
	struct host_mount mount;
	char target[4096]; /* of a peer that is apart: NUL-terminated, absolute, as the peer means it; else empty */
};

struct priv_unmount {
	uint32_t id;   /* the engine's name for this request, in the answer; above PRIV_ID_MOUNT */
	uint32_t lazy; /* 0 or 1 */
};

enum { PRIV_WHY = 960 }; /* bytes for a line that says why, with its NUL; it fits an answer of ctl/frame.h */

struct priv_answer {
	uint32_t id;
	int32_t error; /* 0 or a positive errno */
	char why[PRIV_WHY];
};

/* ---- starting (main.c) ---- */

enum containers {          /* for peers of other mount namespaces */
	CONTAINERS_REFUSE, /* nothing */
	CONTAINERS_OWN,    /* mounts in their own */
	CONTAINERS_HOST,   /* mounts in ours, below a folder, where the peer has the same directory */
};

struct options {
	bool foreground;
	bool trace;
	const char *diag;    /* -d as given, or NULL */
	const char *peer_fd; /* -i as given, or NULL */
	const char *engine;  /* -E as given: this process is an engine */
	enum containers containers;
	const char *below; /* CONTAINERS_HOST: the folder, absolute, links resolved */
	bool bare;         /* CONTAINERS_OWN: mountpoints are shown as their peers name them */
};

/* ---- children (child.c) ---- */

struct child { /* a process of ours, watched */
	pid_t pid;
	int pidfd;
	struct loop_io *io;
	struct loop_timer *again;
	void (*ended)(void *arg, int status); /* of waitpid(2); it is collected then, and pidfd closed */
	void *arg;
};

/*
 * Watch a child. On failure it is killed and collected (nobody would know when it ends): it must be one that nobody but root can
 * stop or trace. 0 or errno.
 */
int child_watch(struct loop *loop, struct child *c, pid_t pid, void (*ended)(void *, int), void *arg);
void child_forget(struct child *c);

/* ---- workers (worker.c) ---- */

enum worker_task {
	WORKER_MOUNT,
	WORKER_UNMOUNT,
	WORKER_UNMOUNT_LAZY,
	WORKER_CLEAN, /* unmount lazily what nobody serves any more */
	WORKER_CLOSE,
};

struct worker_result {
	int32_t error;
	uint32_t id;     /* WORKER_MOUNT: the mount's */
	uint32_t gone;   /* unmounting: it is not in the kernel's table any more */
	uint32_t owner;  /* WORKER_MOUNT: see struct worker_mounted */
	uint32_t inside; /* the same */
	char why[PRIV_WHY];
};

struct worker_mounted { /* what the parent keeps of a mount it made */
	int at;         /* O_PATH: the directory below it; -1 */
	uint32_t id;    /* the kernel's; 0: the worker was killed before it could tell */
	uid_t owner;    /* as the kernel's table shows it */
	bool inside;    /* it is in the peer's mount namespace, not in ours */
};

/*
 * Bodies of workers, which they end. Each waits for one byte from sock (the parent has closed by then what it hands over) and, but
 * for the last, sends a struct worker_result there. One that mounts first sends another with the mountpoint's descriptor, so that
 * the parent knows what there may be even if it is killed. It reads the engine's record from chan, and tells the engine of
 * success itself. conn is held until it ends, and so is what worker_close() is given: the engine's socketpair, the
 * peer's connection, which first gets the words if there are any, and others.
 */
_Noreturn void worker_mount(
    const struct options *opt, int chan, int conn, int pidfd, const struct peer *peer, int sock);
_Noreturn void worker_unmount(
    const struct worker_mounted *what, int pidfd, enum worker_task task, const struct peer *peer, int sock);
_Noreturn void worker_close(const int *what, size_t n, int error, const char *words, int sock);

/* ---- the parent (parent.c) and what it keeps (kept.c) ---- */

struct listener;

struct kept { /* an engine, and what is kept of it; or a peer that was turned away */
	struct child child;
	LIST_ENTRY(kept) link;
	struct parent *parent;
	struct peer peer;
	int conn; /* the peer's connection until the mount is asked for: should the engine be killed, we say so; else -1 */
	int chan, ask; /* to the engine, from it; -1: closed */
	int pidfd;     /* of the peer's process; -1: closed, or it lives where we do */
	struct loop_io *chan_io, *ask_io;
	struct loop_timer *timer; /* until it has to be mounted; once it is over, until the next attempt */
	uint64_t delay;           /* of the last such attempt */
	char control[108];
	bool away;    /* turned away: there was no engine */
	bool over;    /* the process has ended */
	bool closed;  /* and what was to be closed is */
	bool mounted; /* or perhaps so */
	struct worker_mounted mount;
	LIST_HEAD(, job) jobs; /* workers */
	unsigned njobs;
	int error; /* last words to the peer */
	char words[PRIV_WHY];
};

struct parent {
	const struct options *opt;
	const char *rundir;
	struct loop *loop;
	struct listener *listener; /* NULL: -i, or no longer listening */
	struct loop_io *listen_io;
	struct loop_timer *pause;
	struct loop_signal *term, *intr, *usr1;
	LIST_HEAD(, kept) engines;
	unsigned nengines;
	int waiting; /* a connection for which there were no means yet; -1 */
	struct peer waiting_peer;
	int waiting_pidfd, waiting_error; /* and what was found out about it */
	char waiting_why[PRIV_WHY];
	bool single; /* -i */
	bool stopping;
	int status; /* exit status; with -i the engine's */
};

/* Start an engine for a peer. conn and pidfd (-1: none) are taken unless it fails. 0 or errno. */
int kept_new(struct parent *p, int conn, int pidfd, const struct peer *peer);
/* Have a worker tell a peer why not ("": nothing) and close conn, which is taken unless it fails. 0 or errno. */
int kept_away(struct parent *p, int conn, const struct peer *peer, int error, const char *why);
/* The parent ends: forget an engine that goes on by itself. */
void kept_forget(struct kept *k);

/* Serve: from the listener (taken), or with listener NULL the one connected peer behind conn (taken). Returns the exit status. */
int parent_run(const struct options *opt, const char *rundir, struct listener *listener, int conn);

/* ---- the listening socket (listen.c) ---- */

/*
 * Bind path for uid (root: everybody may connect; else only uid) unless somebody listens there. 0, or errno with one line in
 * why: EADDRINUSE (a perfused is running), EEXIST (path is something else) ... .
 */
int listener_new(const char *path, uid_t uid, struct listener **out, char *why, size_t whylen);
/* The descriptor to watch for LOOP_READ. It changes with listener_take() on a DGRAM socket. */
int listener_fd(const struct listener *l);
/*
 * The next peer: its connection (the caller's) and who it is. EAGAIN when there is none, another errno when the system refuses
 * (EMFILE ...), ECONNABORTED when this one is to be forgotten. On a DGRAM socket the socket itself is given away and a new
 * one takes its place.
 */
int listener_take(struct listener *l, int *conn, struct fdp_cred *peer);
/*
 * Stop listening and remove the socket if it is still ours. l may be NULL. Its descriptor (or -1), now the caller's, still has to
 * be closed, which can wait for who is in its queue.
 */
int listener_free(struct listener *l);

/* ---- engines (spawn.c, engine_proc.c) ---- */

struct spawned {
	pid_t pid;
	int chan;          /* the parent's end of the socketpair */
	int ask;           /* the parent's end of the pipe */
	char control[108]; /* path of the control socket, to be removed at the end */
};

/*
 * Start an engine for the peer on conn (borrowed). widen: conn's buffers are ours to set. It stays root's, and does nothing, until
 * it gets one byte over out->chan. 0 or errno.
 */
int spawn_engine(
    const struct options *opt, const char *rundir, int conn, const struct peer *peer, bool widen, struct spawned *out);
/* Remove the control sockets of engines that outlived their parent and have ended since. */
void spawn_sweep(const char *rundir);
/* Put fds[0..n) at descriptor 3 and up (-1: nothing there) and close all others above. Not close-on-exec. 0 or errno. */
int place_fds(const int *fds, int n);
/* The engine process: everything from the frame to the end of the mount. Returns the exit status. */
int engine_main(const struct options *opt);
/* Send an answer without waiting; what the peer does not take is lost. */
void answer_send(int conn, enum frame_code code, int error, const char *text);
/* Close a connection after the last answer: what the peer has sent and nobody read would turn that answer into a reset. */
void hang_up(int conn);

/* ---- a mount frame, up to the mount (intake.c) ---- */

struct intake {
	struct check_wish wish;
	int daemon;      /* the daemon's FUSE socket, owned; -1: it is the connection */
	int at;          /* O_PATH: the mountpoint, owned; -1: the peer is apart, a worker opens it */
	uint32_t sndbuf; /* of the daemon's end, as it says */
	char path[4096]; /* of the mountpoint, links resolved; of a peer that is apart, as it says */
};

/*
 * Read one frame from conn and check everything that can be checked without privilege. 0, or errno with one line in why (which names
 * the path and the users where it is about them); ECONNRESET: the peer is gone and nobody is left to tell.
 */
int intake(int conn, const struct peer *peer, struct intake *out, char *why, size_t whylen);

/* ---- the kernel's table of mounts (table.c), as a worker sees it ---- */

/*
 * Our own /proc, which worker_begin() opened: once in another mount namespace there is no other way to it. O_PATH.
 */
int proc_at(void);
/* Where a descriptor's directory is now, as our root directory has it. 0 or errno. */
int path_of(int at, char *path, size_t room);
/* The mount that a descriptor lies on. From fdinfo: stat would ask the file system. 0: cannot be told. */
uint32_t mount_of(int fd);

struct entry { /* a line of mountinfo, borrowed */
	uint32_t id, parent;
	const char *dev, *root, *point; /* "8:1"; unescaped */
	bool fuse;                      /* a FUSE mount of this uid's */
	bool shared;                    /* in a group of mounts among which new ones propagate */
};
/* Take a line apart, writing into it. Whether it is one. */
bool entry_parse(char *line, uid_t uid, struct entry *e);

#define TABLE "self/mountinfo" /* below /proc */
/*
 * Find the mount with this id, or with *id 0 the last FUSE mount of the uid's, on the directory behind at, into *id. 0; EINVAL: it is no
 * longer in the table; EBUSY: it was moved, or something covers it; or another errno when that cannot be told now.
 */
int find_mount(const char *table, int at, const char *path, uid_t uid, uint32_t *id);

/* ---- other namespaces (enter.c), for workers ---- */

/*
 * Open target as the peer with the rights of the peer and no more, below the peer's root directory, and check that it may be mounted
 * on (readonly: it need not be writable). 0 with *at (O_PATH), or errno with one line in why.
 */
int enter_open(
    const struct peer *peer, int pidfd, const char *target, bool readonly, int *at, char *why, size_t whylen);
/* Turn such a descriptor into one of the same directory in our mount namespace, below this folder. 0, or errno with a line. */
int enter_host(const struct peer *peer, const char *below, int *at, char *why, size_t whylen);
/* Go where the peer is: its mount namespace and, where it has another, its user namespace. 0, or errno with a line. */
int enter_peer(const struct peer *peer, int pidfd, char *why, size_t whylen);
/*
 * Once there: mount on at what the record says. Refuses where the mount would propagate. 0 with *fuse_fd, or errno with a line.
 */
int enter_mount(const struct host_mount *m, int at, int *fuse_fd, char *why, size_t whylen);
/* To unmount: go into the mount namespace that the peer had, by whoever lives in it now. 0; ESRCH: nobody does. */
int enter_again(const struct peer *peer, int pidfd);

/* ---- the control socket of an engine (control.c) ---- */

struct control;
struct control_ops {
	/* Fill in a status (strings newly allocated, freed by control.c). 0 or ENOMEM. */
	int (*status)(void *arg, struct status *out);
	/* Unmount; control_result() with this id follows. */
	void (*unmount)(void *arg, uint32_t id, bool lazy);
};

/* Answer clients of the listening socket fd (taken on success) that are uid or root. 0 or ENOMEM. */
int control_new(struct loop *loop, int fd, uid_t uid, const struct control_ops *ops, void *arg, struct control **out);
/* The result of the request with this id, or (id 0) of all that are waiting. A client that is gone is none the wiser. */
void control_result(struct control *c, uint32_t id, int error, const char *why);
void control_free(struct control *c); /* c may be NULL */
enum { CONTROL_ID_FIRST = 16 };       /* ids below are never control.c's */

/* ---- giving up rights (sandbox_linux.c) ---- */

/* In an engine of the root parent: become the peer (uid, gid, the groups that its socket conn proves). 0 or errno. */
int sandbox_become(const struct peer *peer, int conn);
/* (A peer's uid 0 that is no root's: the engine becomes another at once, a worker stays.)
 * A worker of root's: the peer's uid and gid, with the right to mount and to read any directory, and no other. 0 or errno. */
int sandbox_worker(const struct peer *peer);
/* An engine before its frame: no new privileges, small limits, and as root only what opening a mountpoint takes. 0 or errno. */
int sandbox_early(void);
/* An engine once it is mounted: as root become another, no capabilities, only the system calls of a running engine. 0 or errno. */
int sandbox_late(void);

#endif
