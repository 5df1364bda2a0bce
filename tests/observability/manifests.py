"""Checks deploy/kubernetes against Kubernetes' own schemas, strictly: no field that it does not know.

Usage: manifests.py WHEEL DIRECTORY. The schemas are in the wheel of kubernetes-validate. KEDA's two kinds
are checked against the fields below, which are those of its documentation.
"""
import json
import pathlib
import sys
import zipfile

import jsonschema
import yaml

VERSION = "v1.33.0-local-strict"
GROUPS = {
    "apps/v1": "apps-v1", "autoscaling/v2": "autoscaling-v2", "networking.k8s.io/v1": "networking-v1",
    "policy/v1": "policy-v1", "v1": "v1",
}


def strict(required, **properties):
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


TEXT, NUMBER = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}
META = strict(["name", "namespace"], name=TEXT, namespace=TEXT)
POLICY = strict(["type", "value", "periodSeconds"], type={"enum": ["Percent", "Pods"]}, value=NUMBER, periodSeconds=NUMBER)
SCALING = strict([], stabilizationWindowSeconds=NUMBER, policies={"type": "array", "items": POLICY})
RABBITMQ = strict(
    ["protocol", "queueName", "mode", "value"], protocol={"const": "amqp"}, queueName={"pattern": r"^warren\.jobs"},
    mode={"const": "QueueLength"}, value={"type": "string", "pattern": "^[1-9][0-9]*$"})
KEDA = {
    "ScaledObject": strict(
        ["apiVersion", "kind", "metadata", "spec"], apiVersion=TEXT, kind=TEXT, metadata=META, spec=strict(
            ["scaleTargetRef", "triggers"], scaleTargetRef=strict(["name"], name=TEXT), pollingInterval=NUMBER,
            cooldownPeriod=NUMBER, minReplicaCount=NUMBER, maxReplicaCount=NUMBER,
            advanced=strict([], horizontalPodAutoscalerConfig=strict([], behavior=strict(
                [], scaleUp=SCALING, scaleDown=SCALING))),
            triggers={"type": "array", "minItems": 1, "items": strict(
                ["type", "metadata"], type={"const": "rabbitmq"}, metadata=RABBITMQ,
                authenticationRef=strict(["name"], name=TEXT))})),
    "TriggerAuthentication": strict(
        ["apiVersion", "kind", "metadata", "spec"], apiVersion=TEXT, kind=TEXT, metadata=META, spec=strict(
            ["secretTargetRef"], secretTargetRef={"type": "array", "items": strict(
                ["parameter", "name", "key"], parameter=TEXT, name=TEXT, key=TEXT)})),
}


class Schemas:
    def __init__(self, wheel):
        self.zip, self.root = zipfile.ZipFile(wheel), f"kubernetes_validate/kubernetes-json-schema/{VERSION}/"
        self.definitions = self.read("_definitions.json")

    def read(self, name):
        return json.loads(self.zip.read(self.root + name))

    def check(self, document):
        api, kind = document["apiVersion"], document["kind"]
        if api == "keda.sh/v1alpha1":
            schema, store = KEDA[kind], {}
        else:
            schema = self.read(f"{kind.lower()}-{GROUPS[api]}.json")
            store = {"warren:///_definitions.json": self.definitions}
        schema = {"$id": "warren:///schema.json", **schema}
        resolver = jsonschema.RefResolver.from_schema(schema, store=store)
        validator = jsonschema.Draft7Validator(schema, resolver=resolver)
        return [f"{list(error.absolute_path)}: {error.message[:300]}" for error in validator.iter_errors(document)]


def pod_faults(document):
    """What the schemas do not ask for, and we do."""
    pod = document["spec"]["template"]["spec"]
    if pod.get("automountServiceAccountToken") is not False:
        yield "has a token of the cluster"
    for container in pod.get("initContainers", []) + pod["containers"]:
        name, context = container["name"], container.get("securityContext", {})
        if "memory" not in container.get("resources", {}).get("limits", {}):
            yield f"{name} has no memory limit"
        if name == "docker":
            continue
        user = {**pod.get("securityContext", {}), **context}
        for field in ["runAsNonRoot", "readOnlyRootFilesystem"]:
            if user.get(field) is not True:
                yield f"{name} has no {field}"
        if user.get("allowPrivilegeEscalation") is not False or user.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{name} has more power than it needs"
        for probe, path in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]:
            if container.get(probe, {}).get("httpGet", {}).get("path") != path:
                yield f"{name} has no {probe} at {path}"


def main():
    schemas, faults, kinds = Schemas(sys.argv[1]), [], []
    for file in sorted(pathlib.Path(sys.argv[2]).rglob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            kind = document["kind"]
            kinds.append(kind)
            found = schemas.check(document)
            if kind == "Deployment":
                found += pod_faults(document)
            faults += [f"{file.name}: {kind} {document['metadata']['name']}: {fault}" for fault in found]
    print(json.dumps({"faults": faults, "kinds": kinds}))
    # A checker that lets everything pass would be none.
    broken = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {
            "containers": [{"name": "x", "image": "x", "readynessProbe": {}}]}}}}
    if not schemas.check(broken):
        sys.exit("the schemas do not find a misspelt field")
    sys.exit(1 if faults else 0)


main()
