//! Ports that are never called, since other protocols or services use them.

/// Returns whether this port is never called.
pub(super) fn is_denied(port: u16) -> bool {
    BAD_PORTS.contains(&port) || SERVICES.iter().any(|(number, _service)| *number == port)
}

/// Ports of other protocols. Browsers refuse them, so nobody has a receiver there, and a post could
/// be mistaken for something else (the Fetch standard's *bad ports*,
/// <https://fetch.spec.whatwg.org/#port-blocking>).
const BAD_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
];

/// Default ports of services that run beside a Warren or on its network, that often ask for no
/// credentials, and that act on a POST or on lines of text: as each service's own documentation
/// gives them. The Fetch standard leaves them out, because browsers' users own such services.
const SERVICES: [(u16, &str); 31] = [
    (1433, "SQL Server"),
    (2181, "ZooKeeper"),
    (2375, "Docker"),
    (2376, "Docker with TLS"),
    (2379, "etcd clients"),
    (2380, "etcd peers"),
    (3306, "MySQL"),
    (4369, "Erlang's port mapper"),
    (5432, "PostgreSQL"),
    (5671, "AMQP with TLS"),
    (5672, "AMQP"),
    (5984, "CouchDB"),
    (6379, "Redis"),
    (6443, "Kubernetes' API"),
    (8086, "InfluxDB"),
    (8500, "Consul"),
    (9042, "Cassandra"),
    (9090, "Prometheus"),
    (9092, "Kafka"),
    (9093, "Alertmanager"),
    (9200, "Elasticsearch"),
    (9300, "Elasticsearch nodes"),
    (10250, "kubelet"),
    (10255, "kubelet, reading"),
    (11211, "memcached"),
    (15672, "RabbitMQ's management"),
    (15692, "RabbitMQ's metrics"),
    (25672, "RabbitMQ nodes"),
    (27017, "MongoDB"),
    (27018, "MongoDB shards"),
    (27019, "MongoDB's configuration"),
];
