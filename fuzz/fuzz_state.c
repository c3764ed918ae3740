/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target: the states of an engine. A scripted kernel asks, a daemon answers: well-formed, but as the tape has it, out of order,
 * late, with errors, with nodeids that come again as something else, with notifications in between; sockets are full, requests
 * are interrupted or given up, time passes. The checks are the rig's (rig.h).
 */
#include <errno.h>

#include "rig.h"

/* The next message cannot be sent, and no event tells when it can. */
static void
starve(void)
{
	world_fail(rig.daemon, ENOBUFS);
	rig.starved = true;
}

static void
step(void)
{
	uint8_t n = tape_byte(&rig.tape), more = n >> 4;

	switch (n & 15) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
	case 5:
		kernel_request();
		break;
	case 6:
	case 7:
	case 8:
	case 9:
	case 10:
		daemon_answer(more);
		break;
	case 11:
		kernel_forget();
		break;
	case 12:
		kernel_interrupt();
		break;
	case 13:
		daemon_notify();
		break;
	case 14:
		kernel_abandon();
		break;
	default:
		if (more == 0)
			(void)world_tick(rig.loop);
		else if (more == 1)
			starve();
		else if (more > 8)
			world_stall(more);
		rig_settle();
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rig_begin(data, size);
	rig_init();
	while (rig_more())
		step();
	rig_end();
	return 0;
}
