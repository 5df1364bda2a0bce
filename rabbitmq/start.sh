#!/bin/sh
# Starts RabbitMQ in its container and gives it Warren's topology. Not by `load_definitions`: a node
# that boots with that skips making the default user, and the user comes from the environment.
set -eu

stop() { kill -TERM "$server" 2>/dev/null && wait "$server"; exit 0; }
rm -f /tmp/warren-ready
rabbitmq-server &
server=$!
trap stop TERM INT

# Each call waits a while itself; two minutes in all, and none once the server is gone.
tries=60
until rabbitmqctl --quiet await_startup --timeout 60 2>/dev/null; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ] || ! kill -0 "$server" 2>/dev/null; then
        echo "warren: RabbitMQ did not start; see the lines above" >&2
        exit 1
    fi
    sleep 1
done
rabbitmqctl --quiet import_definitions /etc/rabbitmq/definitions.json
touch /tmp/warren-ready # the health check looks for it
wait "$server"
