# Warren's one binary in a small image: docker build -t warren .
# The base images are arguments, for registries of one's own.
ARG BUILD_IMAGE=rust:1-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM ${RUNTIME_IMAGE} AS runtime
# A fixed id, so that volumes and policies can name it.
RUN groupadd --gid 10001 warren && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin warren
COPY --from=build /src/target/release/warren /usr/local/bin/warren
USER 10001:10001
WORKDIR /
ENTRYPOINT ["warren"]
