/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target: a hostile daemon. As fuzz_state.c, but any reply may have any bytes: a proper header over any body, a proper reply with
 * some bytes changed, or any packet at all. Whatever comes, the kernel gets a sane answer to each request, nothing crashes, leaks or
 * waits for ever; and as long as the connection lives, the daemon's books balance.
 */
#include "rig.h"

/* Any packet; its length is right, or it would never get past the first check. */
static void
any_packet(void)
{
	struct wire_out_header hdr = { 0 };
	uint8_t packet[512];
	size_t n = tape_bytes(&rig.tape, packet, tape_take(&rig.tape, 2) % sizeof(packet));

	if (n >= sizeof(hdr) && (n & 1) == 0) {
		memcpy(&hdr, packet, sizeof(hdr));
		hdr.len = (uint32_t)n;
		memcpy(packet, &hdr, sizeof(hdr));
	}
	daemon_send(packet, n);
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
		daemon_answer(more);
		break;
	case 9:
	case 10:
	case 11:
	case 12:
		daemon_answer_badly(more);
		break;
	case 13:
		kernel_forget();
		break;
	case 14:
		if (more & 1)
			kernel_interrupt();
		else
			kernel_abandon();
		break;
	default:
		any_packet();
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rig_begin(data, size);
	kernel_init();
	rig_settle();
	if (tape_byte(&rig.tape) < 200)
		daemon_answer(0);
	else
		daemon_answer_badly(0);
	rig_settle();
	while (rig_more())
		step();
	rig_end();
	return 0;
}
