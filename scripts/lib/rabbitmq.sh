# shellcheck shell=bash disable=SC2034
# RabbitMQ with its management UI, for the tests, on loopback with the default user guest.

RABBIT_DIR=/var/lib/rabbitmq/warren # RabbitMQ drops root, so its files cannot be under $STATE

rabbitmq_ok() {
    have rabbitmq-server && have rabbitmqctl && listening 5672 && listening 15692 &&
        curl -sf -m 5 -u guest:guest -o /dev/null http://127.0.0.1:15672/api/overview
}
rabbitmq_packages() {
    echo rabbitmq-server
    have curl || echo curl
}
rabbitmq_missing() {
    have curl || printf 'curl\tinstall curl\n'
    have rabbitmq-server || printf 'rabbitmq-server (tests start brokers of their own)\tinstall RabbitMQ 3.10 or later: https://www.rabbitmq.com/docs/download\n'
    printf 'RabbitMQ on 127.0.0.1:5672 with its UI on 15672 (guest:guest) and metrics on 15692\trabbitmq-plugins enable rabbitmq_management rabbitmq_prometheus, then start rabbitmq-server\n'
}
rabbitmq_install() {
    install -d -o rabbitmq -g rabbitmq "$RABBIT_DIR"
    # What is shipped is what the tests run on; only the addresses are narrowed to loopback.
    {
        cat "$ROOT/rabbitmq/rabbitmq.conf"
        printf '%s\n' 'management.tcp.ip = 127.0.0.1' 'prometheus.tcp.ip = 127.0.0.1'
    } >"$RABBIT_DIR/rabbitmq.conf"
    cp "$ROOT/rabbitmq/advanced.config" "$ROOT/rabbitmq/enabled_plugins" "$RABBIT_DIR/"
    chown -R rabbitmq:rabbitmq "$RABBIT_DIR"
    if ! listening 5672; then
        # The name: this machine's own need not resolve to loopback.
        start rabbitmq env \
            RABBITMQ_NODENAME=rabbit@localhost \
            RABBITMQ_CONFIG_FILE="$RABBIT_DIR/rabbitmq.conf" \
            RABBITMQ_ADVANCED_CONFIG_FILE="$RABBIT_DIR/advanced.config" \
            RABBITMQ_ENABLED_PLUGINS_FILE="$RABBIT_DIR/enabled_plugins" \
            RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
            ERL_EPMD_ADDRESS=127.0.0.1 \
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
            rabbitmq-server
    fi
    wait_until rabbitmq 90 rabbitmq_ok
}
