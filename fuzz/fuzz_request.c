/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer target: the kernel's requests, of any bytes, to the device loop of the Linux host. The kernel is trusted, but its
 * requests grow with its versions: whatever comes, each is answered once, and nothing crashes, leaks or is left over.
 */
#include "rig.h"

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
	case 6:
		kernel_raw();
		break;
	case 7:
		kernel_request();
		break;
	case 8:
		kernel_forget();
		break;
	case 9:
		kernel_abandon();
		break;
	case 10:
		kernel_interrupt();
		break;
	default:
		daemon_answer(more);
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	rig_begin(data, size);
	if (size > 0 && (data[0] & 128) != 0) /* something else comes before INIT */
		kernel_raw();
	rig_init();
	while (rig_more())
		step();
	rig_end();
	return 0;
}
