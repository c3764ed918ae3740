/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rig of rig.h: the engine, its owner, its beginning and its end. The loop outlives the runs.
 */
#include "rig.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/co.h"
#include "base/fdpass.h"
#include "base/log.h"
#include "base/loop.h"
#include "vnode/host.h"

struct rig rig;

/* ---- the owner ---- */

static void
on_ready(void *arg)
{
	MUST(!rig.ready && !rig.failed);
	rig.ready = true;
}

static void
on_failed(void *arg, int error, const char *why)
{
	MUST(!rig.ready && !rig.failed && error > 0 && why[0] != '\0');
	rig.failed = true;
}

static void
on_dead(void *arg, int error, const char *why)
{
	MUST(rig.ready && !rig.dead && (error == ENOTCONN || error == EPROTO) && why[0] != '\0');
	rig.dead = true;
}

static void
on_ended(void *arg)
{
	MUST(!rig.ended);
	rig.ended = true;
}

static const struct engine_ops ops = { .ready = on_ready, .failed = on_failed, .dead = on_dead, .ended = on_ended };

/* ---- a run ---- */

void
rig_begin(const uint8_t *data, size_t size)
{
	struct engine_config cfg = { 0 };
	struct loop *loop = rig.loop;
	const char *bad;
	int daemon[2], kernel[2];
	uint8_t how;

	world_begin();
	if (getenv("FUZZ_LOG") != NULL)
		(void)log_diag_parse(getenv("FUZZ_LOG"), &bad);
	if (loop == NULL)
		MUST(loop_new(&loop) == 0);
	rig = (struct rig){ .loop = loop, .tape = { data, data + size } };
	MUST(fdp_pair(SOCK_SEQPACKET, daemon) == 0 && fdp_pair(SOCK_SEQPACKET, kernel) == 0);
	rig.daemon = daemon[1];
	rig.kernel = kernel[1];
	how = tape_byte(&rig.tape);
	if (how & 4) /* a socket that is soon full */
		world_limit(daemon[0], 1 + (how >> 4));
	else
		rig.abrupt = (how & 128) != 0;
	world_sink(kernel[0], kernel_takes);
	daemon_begin();
	kernel_begin();
	cfg.daemon_fd = daemon[0];
	cfg.fuse_fd = kernel[0];
	cfg.peer_sndbuf = how & 8 ? 0 : 4 << 20;
	cfg.switches = how & (VN_NO_ACCESS | VN_NO_CREATE);
	MUST(engine_new(rig.loop, &cfg, &ops, NULL, &rig.engine) == 0);
}

void
rig_settle(void)
{
	world_settle(rig.loop);
	daemon_read();
}

void
rig_init(void)
{
	kernel_init();
	rig_settle();
	if (daemon_asked() > 0)
		daemon_answer(0);
	rig_settle();
}

bool
rig_more(void)
{
	return rig.ready && !rig.dead && rig.tape.p < rig.tape.end;
}

/* The owner has had enough, whatever is under way: all of it ends with the engine. */
static void
cut_short(void)
{
	MUST(close(rig.kernel) == 0);
	engine_free(rig.engine);
	rig.dead = true; /* as the daemon sees it */
	daemon_end();
}

static void
balance(void)
{
	struct engine_counts counts;

	world_stall(0);
	rig_settle();
	daemon_answer_all();
	MUST(kernel_waiting() == 0);
	kernel_release_all();
	daemon_answer_all();
	MUST(kernel_waiting() == 0);
	kernel_forget_all();
	daemon_answer_all();
	engine_counts(rig.engine, &counts);
	MUST(counts.nodes == 1 && counts.files == 0 && counts.waiting == 0);
	MUST(co_count() == world_threads()); /* no operation is left */
	MUST(close(rig.kernel) == 0);
	world_settle(rig.loop);
	daemon_answer_all();
	MUST(rig.ended || rig.failed); /* who is told of a failure frees it */
	daemon_end();
	engine_free(rig.engine);
}

void
rig_end(void)
{
	if (rig.abrupt)
		cut_short();
	else
		balance();
	MUST(close(rig.daemon) == 0);
	world_stall(0);
	world_settle(rig.loop);
	MUST(world_open() == 0 && co_count() == 0);
	world_end();
}
