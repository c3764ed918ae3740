#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# An sqlite database in WAL mode (a shared map and locks beside reads and writes): two writers, a kill in the middle, a
# checkpoint; its integrity check says ok and no committed row is missing.
# daemons: bindfs passthrough_ll gocryptfs
# needs: fuse
# limit: 120
. "$(dirname "$0")/lib.sh"
have sqlite3

serve
db=$mnt/test.db
[ "$(sqlite3 "$db" 'PRAGMA journal_mode=WAL; CREATE TABLE t(who, n, body);')" = wal ] || fail "no WAL mode"
insert() { # WHO COUNT
	seq 1 "$2" | sed "s/.*/INSERT INTO t VALUES('$1', &, hex(randomblob(200)));/"
}
for who in a b; do
	insert $who 100 | sqlite3 -cmd '.timeout 30000' "$db" &
done
wait
[ "$(sqlite3 "$db" 'SELECT count(*) FROM t')" = 200 ] || fail "rows are missing"
(
	echo 'BEGIN;'
	insert c 20000
	echo 'COMMIT;'
) | sqlite3 "$db"
insert d 100000 | sqlite3 "$db" &
writer=$!
writing() {
	[ "$(sqlite3 -cmd '.timeout 30000' "$db" "SELECT count(*) > 9 FROM t WHERE who = 'd'")" = 1 ]
}
until_true 20 writing || fail "the writer writes nothing"
kill -9 "$writer" 2>/dev/null || :
wait "$writer" 2>/dev/null || :
[ "$(sqlite3 "$db" 'PRAGMA integrity_check')" = ok ] || fail "the integrity check after a kill"
[ "$(sqlite3 "$db" "SELECT count(*) FROM t WHERE who = 'c'")" = 20000 ] || fail "committed rows are missing"
sqlite3 "$db" 'PRAGMA wal_checkpoint(TRUNCATE); VACUUM;' >/dev/null
unserve
serve
[ "$(sqlite3 "$db" 'PRAGMA integrity_check')" = ok ] || fail "the integrity check after a new mount"
[ "$(sqlite3 "$db" "SELECT count(*) FROM t WHERE who IN ('a', 'b', 'c')")" = 20200 ] || fail "rows are missing"
unserve
