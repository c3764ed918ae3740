/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole engine between a kernel (kernel.c) and a daemon (daemon.c) that are played by the tape: what a target that runs one shares.
 * Both keep books. The kernel's: nodes and lookups it was given, open files, requests it waits for. The daemon's: lookups it has
 * counted and handles it has given out. Each message of the engine's is checked against them when it comes, and rig_end() checks
 * that they balance.
 *
 * What must hold whatever the daemon does: each request of the kernel's is answered once and in a form that the kernel takes;
 * everything ends. As long as the daemon's connection lives: it is asked about nodes
 * that it has not been told to forget and about handles that are open, and in the end nothing is left that it was not told to let go.
 */
#ifndef FUZZ_RIG_H
#define FUZZ_RIG_H

#include "engine/engine.h"
#include "fuzz.h"
#include "wire/wire.h"
#include "world.h"

enum {
	RIG_NODES = 64,     /* nodes the kernel knows at a time */
	RIG_FILES = 32,     /* files it has open */
	RIG_PENDING = 24,   /* requests it waits for */
	RIG_ASKED = 64,     /* requests the daemon has not answered */
	RIG_DATA = 4096,    /* bytes of data that one request asks for */
	RIG_PACKET = 16384, /* bytes of a packet that is made up here, at most */
};

struct rig {
	struct tape tape;
	struct loop *loop;
	struct engine *engine;
	int daemon, kernel; /* their ends */
	/* what the engine has told its owner */
	bool ready, failed, dead, ended;
	bool raw;     /* the kernel has sent what no kernel sends */
	bool starved; /* something could not be sent for a while */
	bool abrupt;  /* the end comes with all that is under way */
};
extern struct rig rig;

/* An engine on this input, whose INIT is not exchanged. */
void rig_begin(const uint8_t *data, size_t size);
/* INIT: what the kernel offers and the daemon answers is on the tape. */
void rig_init(void);
/* Whether more can happen: there is an engine that serves, and a rest of the tape. */
bool rig_more(void);
/*
 * Answer what is asked, close what is open, forget what is known, unmount, check the books. Or (by the first byte) free the engine with all
 * that is under way.
 */
void rig_end(void);
/* Let the engine do all that it can; the daemon then takes what it was sent. */
void rig_settle(void);

/* ---- kernel.c ---- */

void kernel_begin(void);
/* The kernel's write(2): it takes an answer or a notification. 0 or errno. */
int kernel_takes(const void *packet, size_t len);
/* Send INIT. */
void kernel_init(void);
/* Send a request such as a kernel sends. */
void kernel_request(void);
/* One with this opcode; false: not now (nothing it could be about). */
bool kernel_send(uint32_t opcode);
/* Send a request of any bytes behind a header that has a length. */
void kernel_raw(void);
/* Give back lookups of a node. */
void kernel_forget(void);
/* Interrupt a request. */
void kernel_interrupt(void);
/* A request will not be waited for: its answer is refused. */
void kernel_abandon(void);
/* Release all files, or forget all nodes. */
void kernel_release_all(void);
void kernel_forget_all(void);
/* Requests not answered; INIT need not be when it fails, because the descriptor is closed then. */
size_t kernel_waiting(void);

/* ---- daemon.c ---- */

void daemon_begin(void);
/* Take the requests that are there. */
void daemon_read(void);
/* Answer the request in this place (modulo how many there are), as the tape says but well-formed. */
void daemon_answer(unsigned place);
/* The same, where anything may be wrong with it. */
void daemon_answer_badly(unsigned place);
/* Answer all of them with EIO, until there are none. */
void daemon_answer_all(void);
/* Send a well-formed notification. */
void daemon_notify(void);
/* Send a packet as it is. */
void daemon_send(const void *packet, size_t len);
size_t daemon_asked(void);
/* Everything counted was forgotten and every handle released; then empty the books. */
void daemon_end(void);

#endif
