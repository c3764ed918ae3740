# SPDX-License-Identifier: BSD-2-Clause
# go-fuse-static: go-fuse's loopback example as a static program: neither libc nor libfuse is in it.
packages="golang-go golang-github-hanwen-go-fuse-dev"
can="rw xattr"
because="preload * no mount: static
fd * no mount: mountpoint comes first
fd * no mount, left-overs: mountpoint comes first"
build() { # FOLDER (the /v2 in its imports is understood only by a tree with a go.mod of its own)
	tree=$1/go/src/loopback
	mkdir -p "$tree" && cp /usr/share/doc/golang-github-hanwen-go-fuse-dev/examples/loopback/*.go "$tree" &&
	    echo 'module loopback' >"$tree/go.mod" &&
	    (cd "$tree" && HOME=$1/go GOCACHE=$1/go/cache GOFLAGS=-mod=mod GOPATH=$1/go:/usr/share/gocode GO111MODULE=off \
	        CGO_ENABLED=0 go build -o "$1/go-fuse-static" .) && rm -rf "$1/go"
}
start() {
	"$1" go-fuse-static -q "$mnt" "$src"
}
