#!/bin/sh
# Starts RabbitMQ in its container and gives it Warren's users and topology. Not by `load_definitions`: a
# node that boots with that skips making the default user, and all users come from the environment.
set -eu

# user NAME PASSWORD: one user without access to the management UI, as a definitions file has it. Its
# rights are in definitions.json.
user() {
    case $2 in
    '' | *[!A-Za-z0-9]*)
        echo "warren: the password of $1 must be letters and digits (make .env writes one)" >&2
        exit 1
        ;;
    esac
    printf '{"name": "%s", "password": "%s", "tags": ""}' "$1" "$2"
}
api=$(user warren-api "${RABBITMQ_API_PASSWORD:-}")
worker=$(user warren-worker "${RABBITMQ_WORKER_PASSWORD:-}")
# RabbitMQ and what it starts need to know neither.
unset RABBITMQ_API_PASSWORD RABBITMQ_WORKER_PASSWORD

stop() {
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" || true
    exit 0
}
# Port 5672 is 1628 in hex, 0A is LISTEN. RabbitMQ's own tools cost a second of CPU for each look.
listening() { grep -q ':1628 .* 0A ' /proc/net/tcp /proc/net/tcp6 2>/dev/null; }

rm -f /tmp/warren-ready
rabbitmq-server &
server=$!
trap stop TERM INT

seconds=0
until listening; do
    if [ "$seconds" -ge 120 ] || ! kill -0 "$server" 2>/dev/null; then
        echo "warren: RabbitMQ did not start within 120 s; see the lines above" >&2
        exit 1
    fi
    sleep 1
    seconds=$((seconds + 1))
done
rabbitmqctl --quiet await_startup
# In a file, since arguments are shown to every process. Passwords that changed in .env change here.
(umask 077 && printf '{"users": [%s, %s]}' "$api" "$worker" >/tmp/warren-users.json)
rabbitmqctl --quiet import_definitions /tmp/warren-users.json
rm -f /tmp/warren-users.json
rabbitmqctl --quiet import_definitions /etc/rabbitmq/definitions.json
touch /tmp/warren-ready # the health check looks for it
wait "$server"
