/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A daemon's stderr on its way to the user's: copied as it comes by a thread of its own, which may be held up by a
 * terminal that does not take more without holding up anything else. The last line is kept, for it usually says what
 * went wrong. When nobody holds the daemon's end any more (it went into the background), the user's stderr is let go.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/sup.h"

enum { WORDS_LINE = 200 };

struct words {
	int fd;
	pthread_mutex_t lock;
	pthread_cond_t ended_cond;
	bool ended;
	size_t len;            /* of the line that is being read */
	char line[WORDS_LINE]; /* it */
	char last[WORDS_LINE]; /* the one before that was not empty; a string */
};

/* Keep track of lines; what is not printable becomes a question mark. Called with the lock held. */
static void
note(struct words *w, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '\n' || c == '\r') {
			if (w->len > 0) {
				memcpy(w->last, w->line, w->len);
				w->last[w->len] = '\0';
			}
			w->len = 0;
		} else if (w->len + 1 < sizeof(w->line) && (w->len > 0 || c != ' '))
			w->line[w->len++] = (char)(c < ' ' || c == 0x7f ? '?' : c);
	}
}

static void *
copy(void *arg)
{
	struct words *w = arg;
	char buf[4096];
	ssize_t n;
	int null;

	while ((n = read(w->fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		(void)pthread_mutex_lock(&w->lock);
		note(w, buf, (size_t)n);
		(void)pthread_mutex_unlock(&w->lock);
		for (ssize_t done = 0, k; done < n; done += k) {
			k = write(STDERR_FILENO, buf + done, (size_t)(n - done));
			if (k <= 0)
				break; /* the user's stderr is gone; the daemon must not feel it */
		}
	}
	(void)close(w->fd);
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0) {
		(void)dup2(null, STDERR_FILENO);
		(void)close(null);
	}
	(void)pthread_mutex_lock(&w->lock);
	note(w, "\n", 1);
	w->ended = true;
	(void)pthread_cond_broadcast(&w->ended_cond);
	(void)pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct words *
words_start(int fd)
{
	pthread_condattr_t attr;
	struct words *w;
	pthread_t t;
	int r;

	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->fd = fd;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->ended_cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	r = pthread_create(&t, NULL, copy, w);
	if (r != 0) {
		free(w);
		errno = r;
		return NULL;
	}
	(void)pthread_detach(t);
	return w;
}

void
words_wait(struct words *w, int timeout_ms)
{
	struct timespec ts;
	int r = 0;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += timeout_ms / 1000;
	ts.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	(void)pthread_mutex_lock(&w->lock);
	while (!w->ended && r == 0)
		r = pthread_cond_timedwait(&w->ended_cond, &w->lock, &ts);
	(void)pthread_mutex_unlock(&w->lock);
}

void
words_last(struct words *w, char *buf, size_t room)
{
	(void)pthread_mutex_lock(&w->lock);
	(void)strncpy(buf, w->last, room - 1);
	buf[room - 1] = '\0';
	(void)pthread_mutex_unlock(&w->lock);
}
