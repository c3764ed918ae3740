/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon and all that it starts: one process of ours, the tree's root, is the parent of the daemon and inherits every
 * orphan below it (PR_SET_CHILD_SUBREAPER). It does nothing but wait and, when told, signal them all; so nothing that a
 * daemon leaves behind gets lost, and nothing else is ever mistaken for it. It is a process apart from the supervisor,
 * because that one starts processes of its own (perfused), which are none of the daemon's.
 *
 * With a filter that asks, the daemon must not outlive the supervisor: its opens would fail, and a daemon that says so
 * to the kernel makes it lose data. So the root keeps the listener open as well, which lets such calls wait, and ends
 * the tree when the supervisor is gone; the mount then says ENOTCONN. A root that is killed takes the daemon along if
 * that has not gone into the background.
 */
#ifndef CLIENT_TREE_H
#define CLIENT_TREE_H

#include <linux/filter.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

struct tree_start {
	char *const *argv;               /* the daemon: found on PATH, as execvp(3) does */
	const struct sock_fprog *filter; /* put around it */
	bool filter_optional;            /* go on without it where that is not possible */
	int (*enter)(const void *arg);   /* in the daemon's process before that, or NULL: 0 or errno */
	const void *arg;
	bool notify;                  /* as the filter was built */
	int keep_fd;                  /* a descriptor that the daemon inherits, or -1 */
	int stderr_fd;                /* what becomes its stderr */
	const sigset_t *mask;         /* the signal mask, and what SIGCHLD and SIGPIPE did, */
	const struct sigaction *chld; /* before we changed them */
	const struct sigaction *pipe;
};

struct tree_event { /* tree to supervisor, on the channel */
	bool empty; /* nothing of the tree is left: the last event. Else: the daemon itself has ended */
	int status; /* as of wait(2) */
};

/*
 * Fork the tree's root, which starts the daemon in the caller's session and process group (it keeps the terminal) and
 * then leaves for a session of its own. Returns when the daemon's program runs. 0 with *chan (close-on-exec; end of
 * file without a last event: the root was killed) and *listener (-1 without notify), both the caller's; or errno with *stage: which
 * step, a phrase (static). Then nothing is left.
 */
int tree_start(const struct tree_start *t, int *chan, int *listener, const char **stage);
extern const char tree_exec[],
    tree_filter[]; /* the stages in which errno tells about the daemon's program, or the filter */
/* Signal the whole tree; SIGKILL: until none is left. */
void tree_signal(int chan, int signo);
/*
 * Close all descriptors of this process but 0, 1, 2 and the n given. Those below 0 are skipped; keep[] is sorted in
 * place.
 */
void tree_keep_only(int *keep, size_t n);

#endif
