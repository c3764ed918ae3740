/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What perfused's files know of each other. Three kinds of process run this program:
 *
 *   the parent   (parent.c, listen.c)    starts engines, keeps what it mounted; with -i it has exactly one engine
 *   a worker     (worker.c)              a short-lived child of the parent that does one mount or unmount, because either may
 *                                        wait for a file system that somebody else serves, and the parent waits for nobody
 *   an engine    (spawn.c, intake.c, engine_proc.c, control.c, sandbox_linux.c)   one per mount, without privilege
 *
 * Parent and engine talk over a socketpair: struct priv_request one way, struct priv_answer the other, each of fixed size.
 */
#ifndef PERFUSED_PRIV_H
#define PERFUSED_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fdpass.h"
#include "base/loop.h"
#include "ctl/frame.h"
#include "ctl/status.h"
#include "host/linux/linux.h"
#include "perfused/check.h"

enum {                      /* the descriptors that an engine is started with */
	ENGINE_CONN = 3,    /* the peer's connection */
	ENGINE_PARENT = 4,  /* the socketpair to the parent */
	ENGINE_CONTROL = 5, /* the listening control socket; not open when it could not be made */
};

/* ---- the records between engine and parent ---- */

enum priv_op {
	PRIV_MOUNT = 1,   /* with the mountpoint's O_PATH descriptor; answered with /dev/fuse; once */
	PRIV_UNMOUNT = 2, /* of the mount that was made */
};

struct priv_request {
	uint32_t op;   /* enum priv_op */
	uint32_t id;   /* the engine's name for this request, in the answer */
	uint32_t lazy; /* PRIV_UNMOUNT: 0 or 1 */
	uint32_t pad;  /* 0 */
	struct host_mount mount;
};

enum { PRIV_WHY = 960 }; /* bytes for a line that says why, with its NUL; it fits an answer of ctl/frame.h */

struct priv_answer {
	uint32_t id;
	int32_t error; /* 0 or a positive errno */
	char why[PRIV_WHY];
};

/* ---- starting (main.c) ---- */

struct options {
	bool foreground;
	bool trace;
	const char *diag;    /* -d as given, or NULL */
	const char *peer_fd; /* -i as given, or NULL */
	const char *engine;  /* -E as given: this process is an engine */
};

/* ---- the parent (parent.c) ---- */

struct listener;

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
/* Stop listening and remove the socket if it is still ours. l may be NULL. */
void listener_free(struct listener *l);

/* ---- engines (spawn.c, engine_proc.c) ---- */

struct spawned {
	pid_t pid;
	int chan;          /* the parent's end of the socketpair */
	char control[108]; /* path of the control socket, to be removed at the end */
};

/* Start an engine for the peer on conn (borrowed). widen: conn's buffers are ours to set. 0 or errno. */
int spawn_engine(const struct options *opt, const char *rundir, int conn, const struct fdp_cred *peer, bool widen,
    struct spawned *out);
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
	int at;          /* O_PATH: the mountpoint, owned */
	uint32_t sndbuf; /* of the daemon's end, as it says */
	char path[4096]; /* of the mountpoint, links resolved */
};

/*
 * Read one frame from conn and check everything that can be checked without privilege. 0, or errno with one line in why (which names
 * the path and the users where it is about them); ECONNRESET: the peer is gone and nobody is left to tell.
 */
int intake(int conn, const struct fdp_cred *peer, struct intake *out, char *why, size_t whylen);

/* ---- workers (worker.c) ---- */

struct worker_result {
	int32_t error;
	uint32_t mnt_id; /* PRIV_MOUNT */
	char why[PRIV_WHY];
	char path[4096]; /* PRIV_MOUNT: of the mountpoint */
};

struct worker_mounted { /* what the parent keeps of a mount it made */
	int dir;        /* O_PATH: the mountpoint's parent directory */
	uint32_t mnt_id;
	char path[4096]; /* of the mountpoint; its last name is the one in dir */
};

/*
 * Body of a worker process, which it ends. PRIV_MOUNT: mount on at and send a struct worker_result with /dev/fuse and the parent
 * directory over sock. PRIV_UNMOUNT: unmount what is, if it is still there, and send a result.
 */
_Noreturn void worker_mount(const struct host_mount *m, int at, const struct fdp_cred *peer, int sock);
_Noreturn void worker_unmount(const struct worker_mounted *what, bool lazy, const struct fdp_cred *peer, int sock);

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

/* In a child of the root parent: become the peer (uid, gid, the groups that its socket conn proves). 0 or errno. */
int sandbox_become(const struct fdp_cred *peer, int conn);
/* A worker of root's: the peer's uid and gid, with the right to mount and to read any directory, and no other. 0 or errno. */
int sandbox_worker(const struct fdp_cred *peer);
/* An engine before its frame: no new privileges, small limits, and as root only what opening a mountpoint takes. 0 or errno. */
int sandbox_early(void);
/* An engine once it is mounted: as root become nobody, no capabilities, only the system calls of a running engine. 0 or errno. */
int sandbox_late(void);

#endif
