# Warren's one binary in a small image: docker build -t warren .
# The base images are arguments, for registries of one's own.
ARG BUILD_IMAGE=rust:1-bookworm
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM ${RUNTIME_IMAGE} AS runtime
COPY --from=build /src/target/release/warren /usr/local/bin/warren
# No such user needs to exist; a number so that policies can name it.
USER 10001:10001
WORKDIR /
ENTRYPOINT ["warren"]
