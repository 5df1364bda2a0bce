# shellcheck shell=bash disable=SC2034
# Docker Engine (an engine that already answers is used as it is) and docker-compose.

docker_ok() { have docker && docker info >/dev/null 2>&1; }
docker_packages() { have dockerd || printf '%s\n' docker.io iptables; }
docker_missing() {
    if have docker; then
        printf 'a running Docker Engine\tstart it (systemctl start docker, or Docker Desktop) and see that "docker info" answers for you (your user may need the group docker)\n'
    else
        printf 'Docker Engine\tinstall it: https://docs.docker.com/engine/install (Debian: apt-get install docker.io)\n'
    fi
}
docker_install() {
    # A pid file left by an engine that is gone stops a new one from starting.
    if [ -f /var/run/docker.pid ] && ! kill -0 "$(cat /var/run/docker.pid)" 2>/dev/null; then
        rm -f /var/run/docker.pid
    fi
    start dockerd dockerd
    wait_until dockerd 60 docker info
}

compose_ok() { have docker-compose || docker compose version >/dev/null 2>&1; }
compose_packages() { echo docker-compose; }
compose_missing() { printf 'docker-compose\tinstall the Docker Compose plugin (Debian: apt-get install docker-compose)\n'; }
compose_install() { :; }
