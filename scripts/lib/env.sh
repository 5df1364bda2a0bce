# shellcheck shell=bash disable=SC2034
# The file .env: reading it, and making it from .env.example.

# env_value NAME DEFAULT: from the environment, else from .env, else the default.
env_value() {
    local name=$1 value=${!1:-}
    if [ -z "$value" ] && [ -f "$ROOT/.env" ]; then
        value=$(sed -nE "s/^[[:space:]]*(export[[:space:]]+)?$name=//p" "$ROOT/.env" | tail -n 1)
        value=${value%$'\r'}
        value=${value#[\"\']}
        value=${value%[\"\']}
    fi
    echo "${value:-$2}"
}

# env_create: .env from .env.example, with what cannot be written there in advance.
env_create() {
    local password gid
    say "writing .env from .env.example, with a random RABBITMQ_PASSWORD"
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    gid=$(stat -L -c %g /var/run/docker.sock 2>/dev/null || echo 0) # Docker Desktop: 0
    (umask 077 && sed -e "s/^RABBITMQ_PASSWORD=\$/RABBITMQ_PASSWORD=$password/" \
        -e "s/^DOCKER_GID=\$/DOCKER_GID=$gid/" "$ROOT/.env.example" >"$ROOT/.env")
}

# env_append NAME VALUE: into .env, unless NAME is set there already.
env_append() {
    [ -f "$ROOT/.env" ] || env_create
    if grep -Eq "^[[:space:]]*(export[[:space:]]+)?$1=" "$ROOT/.env"; then
        return 0
    fi
    say "setting $1=$2 in .env"
    # A last line without its newline must not swallow ours.
    [ -z "$(tail -c 1 "$ROOT/.env")" ] || echo >>"$ROOT/.env"
    printf '%s=%s\n' "$1" "$2" >>"$ROOT/.env"
}
