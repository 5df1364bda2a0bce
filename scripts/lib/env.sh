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
    local name gid filled=()
    say "writing .env from .env.example, with random passwords for RabbitMQ"
    for name in "${ENV_PASSWORDS[@]}"; do
        filled+=(-e "s/^$name=\$/$name=$(env_password)/")
    done
    gid=$(stat -L -c %g /var/run/docker.sock 2>/dev/null || echo 0) # Docker Desktop: 0
    (umask 077 && sed "${filled[@]}" -e "s/^DOCKER_GID=\$/DOCKER_GID=$gid/" \
        "$ROOT/.env.example" >"$ROOT/.env")
}

# env_password: a random password.
env_password() {
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n'
}

# The passwords in .env: of the people's user, the API's and the workers'.
ENV_PASSWORDS=(RABBITMQ_PASSWORD RABBITMQ_API_PASSWORD RABBITMQ_WORKER_PASSWORD)

# env_complete: adds random passwords that an older .env has not.
env_complete() {
    local name
    for name in "${ENV_PASSWORDS[@]}"; do
        # One that stands there without a value counts as missing.
        sed -i "/^$name=\$/d" "$ROOT/.env"
        env_append "$name" "$(env_password)" "(random)"
    done
}

# env_append NAME VALUE [SHOWN]: into .env, unless NAME is set there already. SHOWN is said in place of a
# secret.
env_append() {
    [ -f "$ROOT/.env" ] || env_create
    if grep -Eq "^[[:space:]]*(export[[:space:]]+)?$1=" "$ROOT/.env"; then
        return 0
    fi
    say "setting $1=${3:-$2} in .env"
    # A last line without its newline must not swallow ours.
    [ -z "$(tail -c 1 "$ROOT/.env")" ] || echo >>"$ROOT/.env"
    printf '%s=%s\n' "$1" "$2" >>"$ROOT/.env"
}
