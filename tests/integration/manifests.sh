#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The manifests in examples/kubernetes are what the Kubernetes API takes, and a wrong one would be found.
. "$(dirname "$0")/lib.sh"
have python3
python3 -c 'import jsonschema, yaml' 2>/dev/null || skip "python3-jsonschema or python3-yaml is not installed"
python3 "$here/manifests.py" "$top"/examples/kubernetes/*.yaml || fail "a manifest is wrong"
wrong() { # SED-SCRIPT
	sed "$1" "$top/examples/kubernetes/pod.yaml" >wrong.yaml
	! cmp -s "$top/examples/kubernetes/pod.yaml" wrong.yaml || fail "changes nothing: $1"
	! python3 "$here/manifests.py" wrong.yaml >wrong.out 2>&1 || fail "not found: $1"
}
wrong 's/mountPropagation/mountPropogation/'
wrong 's/HostToContainer/Bidirectional/'
wrong 's/allowPrivilegeEscalation: false/privileged: true/'
wrong '0,/name: data/s//name: date/'
wrong 's/^kind: Pod/kind: pod/'
