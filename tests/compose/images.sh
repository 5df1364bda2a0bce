# shellcheck shell=bash
# Stand-ins for the images that docker-compose.yml names, where no registry can be reached; a piece
# of scripts/provision, which builds them for `make test`. Both come from one Debian root: they share
# its layer, and one bootstrap is enough.

STANDIN_RABBITMQ=warren-base/rabbitmq:3.10-debian
STANDIN_MONGODB=warren-base/mongodb:6.0-debian

compose_images_ok() {
    has_image "$STANDIN_DEBIAN" && has_image $STANDIN_RABBITMQ && has_image $STANDIN_MONGODB && return 0
    # With a registry the compose test uses the real ones, as a user would.
    [ "$(wanted_image PYTHON)" != "$STANDIN_PYTHON" ]
}
compose_images_missing() { printf 'images for the compose test\trun scripts/provision test with WARREN_PROVISION=install\n'; }
compose_images_install() {
    apt_install mmdebstrap
    standin_debian
    if ! has_image $STANDIN_RABBITMQ; then
        rootfs services rabbitmq-server,libcurl4,liblzma5,libssl3
        # Debian's wrapper in /usr/sbin would log to files; the package's one cookie is nobody's secret.
        import services warren-base/services:root
        step "building $STANDIN_RABBITMQ" build_image $STANDIN_RABBITMQ "$ROOT/rabbitmq" <<'END'
FROM warren-base/services:root
ENV PATH=/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/lib/rabbitmq
RUN rm -f /var/lib/rabbitmq/.erlang.cookie
VOLUME /var/lib/rabbitmq
USER rabbitmq
END
    fi
    if ! has_image $STANDIN_MONGODB; then
        mongod_binary
        step "building $STANDIN_MONGODB" build_image $STANDIN_MONGODB "$(dirname "$MONGOD")" <<'END'
FROM warren-base/services:root
COPY mongod /usr/local/bin/mongod
RUN echo 'mongodb:x:999:999::/data/db:/bin/false' >>/etc/passwd && mkdir -p /data/db && chown 999:999 /data/db
VOLUME /data/db
USER mongodb
END
    fi
}
