# shellcheck shell=bash disable=SC2034
# Schemathesis, for the test that holds the API to its description.

SCHEMATHESIS=$CACHE/schemathesis

# Compiled parts belong to one version of Python.
schemathesis_wanted() { python3 -V && cat "$ROOT/scripts/lib/schemathesis.requirements.txt"; }
schemathesis_ok() { have python3 && schemathesis_wanted | cmp -s - "$SCHEMATHESIS/installed"; }
schemathesis_packages() {
    python3 -m pip --version >/dev/null 2>&1 || printf '%s\n' python3 python3-pip
}
schemathesis_missing() {
    printf 'schemathesis (Python) in %s\tWARREN_PROVISION=install scripts/provision test installs it; or run: python3 -m pip install --no-deps --require-hashes --target %s -r scripts/lib/schemathesis.requirements.txt && { python3 -V; cat scripts/lib/schemathesis.requirements.txt; } > %s/installed\n' "$SCHEMATHESIS" "$SCHEMATHESIS" "$SCHEMATHESIS"
}
schemathesis_install() {
    step "schemathesis from PyPI" pip_target "$SCHEMATHESIS" "$ROOT/scripts/lib/schemathesis.requirements.txt"
    schemathesis_wanted >"$SCHEMATHESIS/installed"
}
