/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target: notifications, from the daemon's packet through conn/, vnode/ and the host's notifier to the kernel. The mount
 * is set up first: a few nodes and open files. Then the tape is notifications, any bytes behind a code; between them the kernel forgets,
 * answers and asks, and the notifier is held up.
 */
#include "rig.h"

static void
any_notification(uint8_t how)
{
	struct {
		struct wire_out_header hdr;
		uint8_t body[1024];
	} p = { 0 };
	size_t n = tape_bytes(&rig.tape, p.body, how & 8 ? tape_take(&rig.tape, 2) % sizeof(p.body) : how >> 4);

	p.hdr.error = how & 7;
	if ((how & 7) == 0)
		p.hdr.error = (int32_t)tape_take(&rig.tape, 1);
	p.hdr.len = (uint32_t)(sizeof(p.hdr) + n);
	daemon_send(&p, p.hdr.len);
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
		any_notification(tape_byte(&rig.tape));
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		daemon_notify();
		break;
	case 8:
	case 9:
		daemon_answer(more);
		break;
	case 10:
	case 11:
		kernel_request();
		break;
	case 12:
		kernel_forget();
		break;
	case 13:
		world_stall(more);
		break;
	case 14:
		(void)world_tick(rig.loop);
		rig_settle();
		break;
	default:
		rig_settle();
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* INIT with all there is; LOOKUPs in the root, answered by nodes 2 to 5; OPENs of two of them. */
	static const uint8_t setup[] = {
		8, 0, 0, /* large sockets; the kernel's INIT; the daemon's answer */
		0, 0, 0, 1, 0, 0, 1, 0, 2, 0, 0, 2, 0, 3, 0, 0, 3, 0, 4,
		0,                             /* node, name; no error, entry, attributes */
		81, 0, 0, 7, 0, 82, 0, 0, 8, 0 /* node, flags; no error, handle, its flags */
	};
	struct tape rest = { data, data + size };

	rig_begin(setup, sizeof(setup));
	rig_init();
	for (int i = 0; i < 6 && rig.ready; i++) {
		MUST(kernel_send(i < 4 ? WIRE_LOOKUP : WIRE_OPEN));
		daemon_answer(0);
	}
	MUST(rig.ready && !rig.dead && rig.tape.p == rig.tape.end);
	rig.tape = rest;
	rig.abrupt = (tape_byte(&rig.tape) & 1) != 0;
	while (rig_more())
		step();
	rig_end();
	return 0;
}
