# SPDX-License-Identifier: BSD-2-Clause
"""Checks manifests against schemas written from the Kubernetes API for what the examples use (a word that is not there is a mistake), and
what ties their parts together: names of volumes, what propagation takes, that the sidecar has no privilege."""
import sys

import jsonschema
import yaml

STRING, BOOL, NUMBER = {"type": "string", "minLength": 1}, {"type": "boolean"}, {"type": "integer", "minimum": 0}
NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}
PATH = {"type": "string", "pattern": "^/"}


def record(required="", **fields):
    return {"type": "object", "properties": fields, "required": required.split(), "additionalProperties": False}


def some(what):
    return {"type": "array", "items": what, "minItems": 1}


def one_of(*words):
    return {"enum": list(words)}


LABELS = {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}}
META = dict(name=NAME, namespace=NAME, labels=LABELS)
MOUNT = record("name mountPath", name=NAME, mountPath=PATH, readOnly=BOOL,
               mountPropagation=one_of("None", "HostToContainer", "Bidirectional"))
SECCOMP = record("type", type=one_of("RuntimeDefault", "Unconfined", "Localhost"))
RIGHTS = record(privileged=BOOL, allowPrivilegeEscalation=BOOL, runAsNonRoot=BOOL, runAsUser=NUMBER, runAsGroup=NUMBER,
                capabilities=record(add=some(STRING), drop=some(STRING)), seccompProfile=SECCOMP)
CONTAINER = record("name image", name=NAME, image=STRING, command=some(STRING), args=some(STRING), securityContext=RIGHTS,
                   volumeMounts=some(MOUNT))
HOST = record("path", path=PATH, type=one_of("", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice",
                                             "BlockDevice"))
VOLUME = {**record("name", name=NAME, hostPath=HOST, emptyDir=record(medium=STRING),
                   secret=record("secretName", secretName=NAME, defaultMode={"type": "integer", "minimum": 0, "maximum": 511})),
          "minProperties": 2, "maxProperties": 2}
POD = record("containers", containers=some(CONTAINER), volumes=some(VOLUME), hostPID=BOOL, automountServiceAccountToken=BOOL,
             securityContext=record(runAsNonRoot=BOOL, runAsUser=NUMBER, runAsGroup=NUMBER, fsGroup=NUMBER,
                                    seccompProfile=SECCOMP))
KINDS = {
    "Pod": record("apiVersion kind metadata spec", apiVersion=one_of("v1"), kind=STRING, metadata=record("name", **META), spec=POD),
    "DaemonSet": record("apiVersion kind metadata spec", apiVersion=one_of("apps/v1"), kind=STRING, metadata=record("name", **META),
                        spec=record("selector template", selector=record("matchLabels", matchLabels=LABELS),
                                    template=record("metadata spec", metadata=record("labels", **META), spec=POD))),
}


def check(manifest):
    jsonschema.Draft7Validator(KINDS[manifest["kind"]]).validate(manifest)
    spec = manifest["spec"]
    if manifest["kind"] == "DaemonSet":
        wanted, labels = spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]
        assert wanted.items() <= labels.items(), "the selector does not select its own pods"
        spec = spec["template"]["spec"]
    volumes = {v["name"] for v in spec.get("volumes", [])}
    used = {m["name"] for c in spec["containers"] for m in c.get("volumeMounts", [])}
    assert volumes == used, f"volumes {volumes} and what is mounted {used}"
    for container in spec["containers"]:
        rights = container.get("securityContext", {})
        both_ways = any(m.get("mountPropagation") == "Bidirectional" for m in container["volumeMounts"])
        assert rights.get("privileged", False) or not both_ways, "Bidirectional takes a privileged container"
        if manifest["kind"] == "Pod":
            assert not rights.get("privileged") and rights["allowPrivilegeEscalation"] is False
            assert rights["capabilities"] == {"drop": ["ALL"]}


for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        for document in yaml.safe_load_all(file):
            check(document)
    print(path, "ok")
