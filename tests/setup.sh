# SPDX-License-Identifier: BSD-2-Clause
# Sourced by ./check, ./demo, ./bench and .ci/run: installs what is missing and builds. Owns nothing else.
#
# Expects $top, the root of the repository. Sets $build (PERFUSE_BUILD overrides), $perfuse and $perfused, the two programs.
# What is quiet when all goes well is kept in a log and shown when it does not.

build=${PERFUSE_BUILD:-$top/build}
perfuse=$build/src/cli/perfuse
perfused=$build/src/perfused/perfused
# The programs of this build, not installed ones. (PERFUSE_CLI: another perfuse(1) to run the tests against.)
PERFUSE_PERFUSED=$perfused
export PERFUSE_PERFUSED

packages_build="meson ninja-build pkg-config gcc libc6-dev libev-dev libbsd-dev uthash-dev libjansson-dev libseccomp-dev \
libcap-dev"
packages_demo="fuse3 sshfs openssh-sftp-server bindfs gocryptfs squashfuse squashfs-tools"
packages_test="check libfuse3-dev sqlite3 git make attr fuse-overlayfs ntfs-3g fio bubblewrap python3-jsonschema python3-yaml \
dpkg-dev g++"
packages_long="stress-ng clang libclang-rt-14-dev"

say() {
	printf '%s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# quietly WHAT COMMAND...: run it into a log; when it fails, show the log and return its status.
quietly() ( # a subshell: it may call itself
	what=$1
	shift
	log=$(mktemp "${TMPDIR:-/tmp}/perfuse-log.XXXXXX") || exit 1
	trap 'rm -f "$log"' EXIT
	status=0
	"$@" >"$log" 2>&1 </dev/null || status=$?
	if [ "$status" -ne 0 ]; then
		printf '%s: %s failed (status %s):\n' "${0##*/}" "$what" "$status" >&2
		tail -n 200 "$log" >&2
	fi
	exit "$status"
)

# packages_missing PACKAGE...: print those that are not installed.
packages_missing() {
	for package in "$@"; do
		case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
		installed) ;;
		*) printf ' %s' "$package" ;;
		esac
	done
}

# install_missing PACKAGE...: installs, as root on a Debian system, those that are missing. Without root, or elsewhere, it says
# what is missing and returns 1: the build then tells what it really lacks.
install_missing() {
	if ! command -v dpkg-query >/dev/null 2>&1; then
		say "not a Debian system: cannot install packages (wanted: $*)"
		return 1
	fi
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		say "missing packages (not root, so not installed):$missing"
		return 1
	fi
	say "installing:$missing"
	DEBIAN_FRONTEND=noninteractive
	export DEBIAN_FRONTEND
	quietly "apt-get update" apt-get -q update || return 1
	# shellcheck disable=SC2086
	quietly "apt-get install" apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 install $missing
}

# build_tree DIR MESON-OPTION...: configure (again) and build.
build_tree() {
	build_dir=$1
	shift
	if [ -f "$build_dir/build.ninja" ]; then
		quietly "meson setup" meson setup --reconfigure "$@" "$build_dir" "$top" || return 1
	else
		quietly "meson setup" meson setup "$@" "$build_dir" "$top" || return 1
	fi
	quietly "the build" ninja -C "$build_dir"
}

# sanitized: was this built with sanitizers? They cannot live in the engine's sandbox, and take memory of their own.
sanitized() {
	tr '{' '\n' <"$build/meson-info/intro-buildoptions.json" | grep '"b_sanitize"' | grep -v -q '"value": "none"'
}

# fuse_usable: can this machine mount FUSE file systems for us? Else says why not and returns 1.
fuse_usable() {
	if [ ! -e /dev/fuse ]; then
		say "there is no /dev/fuse"
	elif ! (: <>/dev/fuse) 2>/dev/null; then
		say "/dev/fuse cannot be opened"
	elif [ "$(id -u)" -eq 0 ] && ! unshare -m true 2>/dev/null; then
		say "this root may not mount (no CAP_SYS_ADMIN)"
	else
		return 0
	fi
	return 1
}
