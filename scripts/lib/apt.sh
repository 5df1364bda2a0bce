# shellcheck shell=bash disable=SC2034
# Debian packages, all missing ones in one go.

apt_install() {
    local wanted=() package
    for package in $(printf '%s\n' "$@" | sort -u); do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || wanted+=("$package")
    done
    [ ${#wanted[@]} -gt 0 ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    step "apt-get update" apt-get update
    step "apt-get install ${wanted[*]}" apt-get install -y --no-install-recommends "${wanted[@]}"
}
