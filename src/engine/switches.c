/* SPDX-License-Identifier: BSD-2-Clause */
/* PERFUSE_OPTIONS, the seed's way to switch operations of a daemon off. Called by perfused and by the library. */
#include <string.h>

#include "base/log.h"
#include "engine/engine.h"
#include "vnode/host.h"

static const struct {
	const char *word;
	unsigned set, clear;
} words[] = {
	{ "enable_access", 0, VN_NO_ACCESS },
	{ "disable_access", VN_NO_ACCESS, 0 },
	{ "enable_creat", 0, VN_NO_CREATE },
	{ "disable_creat", VN_NO_CREATE, 0 },
};

unsigned
engine_switches(const char *options)
{
	const size_t count = sizeof(words) / sizeof(words[0]);
	unsigned bits = 0;

	while (options != NULL && *options != '\0') {
		size_t len = strcspn(options, ","), i;

		for (i = 0; i < count; i++) {
			if (strlen(words[i].word) == len && memcmp(words[i].word, options, len) == 0) {
				bits = (bits & ~words[i].clear) | words[i].set;
				break;
			}
		}
		if (i == count && len > 0)
			log_warn(
			    "PERFUSE_OPTIONS: unknown word \"%.*s\" is ignored", (int)(len < 64 ? len : 64), options);
		options += len + (options[len] == ',');
	}
	return bits;
}
