# shellcheck shell=bash disable=SC2034
# promtool, which checks the alert rules and Prometheus's configuration. Out of Debian's package alone:
# installing that would bring a service and a web page's worth of JavaScript.

PROMTOOL=$CACHE/promtool/promtool

promtool_ok() { have promtool || [ -x "$PROMTOOL" ]; }
promtool_missing() { printf 'promtool\tinstall Prometheus, which brings it: https://prometheus.io/download\n'; }
promtool_install() { step "promtool from Debian's prometheus package" promtool_fetch; }
promtool_fetch() {
    local dir
    dir=$(mktemp -d) || return
    (
        cd "$dir" || exit
        [ -n "$(apt-cache search --names-only '^prometheus$')" ] || apt-get update || exit
        apt-get -o APT::Sandbox::User=root download prometheus || exit
        dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool || exit
        install -D -m 755 usr/bin/promtool "$PROMTOOL"
    )
    local status=$?
    rm -rf "$dir"
    return $status
}
