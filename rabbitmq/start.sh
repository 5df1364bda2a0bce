#!/bin/sh
# Starts RabbitMQ in its container and gives it Warren's topology. Not by `load_definitions`: a node
# that boots with that skips making the default user, and the user comes from the environment.
set -eu

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
rabbitmqctl --quiet import_definitions /etc/rabbitmq/definitions.json
touch /tmp/warren-ready # the health check looks for it
wait "$server"
