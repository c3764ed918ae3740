# SPDX-License-Identifier: BSD-2-Clause
# glusterfs-replica: a GlusterFS volume of two replicas, served by a glusterd in the cell's network namespace. While files are
# written, one brick is killed; it comes back and is healed.
packages="glusterfs-server glusterfs-client"
program=glusterfs
can="rw xattr"
clean=15 # it ends by sending itself SIGTERM
because="fd * no mount: FUSE of its own
fusermount * no mount: fusermount of its own
preload * no mount: mounts in a child
native user no mount: its fusermount is not setuid"
prepare() {
	allow_other # it always asks for it
	rm -r "$want/hello" "$want/dir"
	mkdir -p "$work/glusterd" "$work/glusterlog" "$work/brick1" "$work/brick2" /run/gluster
	ip addr add 10.99.0.1/32 dev lo # 127.0.0.1 is refused
	mount --bind "$work/glusterd" /var/lib/glusterd && mount --bind "$work/glusterlog" /var/log/glusterfs
}
volume() {
	gluster --mode=script volume "$@"
}
beside() {
	glusterd || return 1
	until_true 20 gluster pool list || return 1
	volume create vol replica 2 "10.99.0.1:$work/brick1" "10.99.0.1:$work/brick2" force || return 1
	! is_user || volume set vol storage.owner-uid "$(id -u "$user")" || return 1
	volume set vol network.ping-timeout 5
	volume set vol nfs.disable on
	volume start vol || return 1
	until_true 20 bricks_up 2
}
bricks() { # the processes of the bricks
	for b_dir in /proc/[0-9]*; do
		case $(tr '\0' ' ' 2>/dev/null <"$b_dir/cmdline") in *glusterfsd*--brick-name*) echo "${b_dir#/proc/}" ;; esac
	done
}
bricks_up() { # N
	[ "$(volume status vol detail 2>/dev/null | grep -c '^Online *: Y')" -eq "$1" ]
}
healed() {
	volume heal vol info >"$work/heal" && [ "$(grep -c '^Number of entries: 0$' "$work/heal")" -eq 2 ]
}
start() {
	"$1" glusterfs -s 10.99.0.1 --volfile-id=vol ${fg:+-N} -l "$work/home/gluster.log" "$mnt"
}
exercise_more() {
	at "brick killed"
	cat >"$work/writer" <<'END'
n=0
while [ ! -e "$2" ]; do
	n=$((n + 1))
	{ seq "$n" 20000 >"$1/log/$n" && echo "$n" >"$3"; } || exit 1
done
END
	as_who mkdir "$mnt/log"
	as_who sh "$work/writer" "$mnt" "$work/tmp/enough" "$work/tmp/written" &
	writer=$!
	until_true 10 written 3
	victim=$(bricks | head -n 1)
	kill -9 "$victim"
	until_true 20 bricks_up 1 || fails "brick killed" "it stays up"
	until_true 30 written "$(($(cat "$work/tmp/written") + 10))" || fails "brick killed" "writing does not go on"
	at heal
	volume start vol force
	until_true 20 bricks_up 2 || fails heal "the brick does not come back"
	until_true 20 written "$(($(cat "$work/tmp/written") + 3))" || fails heal "writing does not go on"
	: >"$work/tmp/enough"
	wait "$writer" || fails "write with a brick killed" "status $?"
	until_true 20 volume heal vol
	until_true 30 healed || fails heal "$(cat "$work/heal")"
	last=$(cat "$work/tmp/written")
	echo "files written meanwhile: $last"
	i=1
	while [ "$i" -le "$last" ]; do
		seq "$i" 20000 >"$work/tmp/one"
		for copy in "$mnt" "$work/brick1" "$work/brick2"; do
			as=
			[ "$copy" != "$mnt" ] || as=as_who
			$as cat "$copy/log/$i" | cmp - "$work/tmp/one" || fails "healed data" "$copy/log/$i"
		done
		i=$((i + 1))
	done
	as_who rm -r "$mnt/log" || fails "unlink" "log"
	# The brick's new process, and those which glusterd starts for healing, are none of the client's.
	baseline=" $baseline $(for dir in /proc/[0-9]*; do
		case $(tr '\0' ' ' 2>/dev/null <"$dir/cmdline") in
		*glusterfsd*--brick-name* | *glustershd*) echo "${dir#/proc/}" ;;
		esac
	done | tr '\n' ' ') "
}
written() { # N
	[ "$(cat "$work/tmp/written" 2>/dev/null || echo 0)" -ge "$1" ]
}
