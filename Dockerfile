# syntax=docker/dockerfile:1
# Gatekeeper as a small image: docker build -t gatekeeper .
# The optimised build (whole-program LTO) takes some minutes and about 4 GB of memory.

FROM rust:1-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends cmake pkg-config libssl-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin gatekeeper \
 && cp target/release/gatekeeper /gatekeeper

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libssl3 ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/gatekeeper --create-home --shell /usr/sbin/nologin gatekeeper
COPY --from=build /gatekeeper /usr/local/bin/gatekeeper
COPY --from=build /src/conf/gatekeeper.toml /usr/share/doc/gatekeeper/gatekeeper.toml

USER gatekeeper
WORKDIR /var/lib/gatekeeper
VOLUME /var/lib/gatekeeper
# For `run` without a file (.env.example lists the variables); a file says it in [server].
ENV GATEKEEPER_STATE_DIR=/var/lib/gatekeeper
EXPOSE 8000

# bash opens the connection itself, so that no HTTP client has to be in the image. HEALTH_PORT: where the first listener
# is, if not on 8000 (one without TLS).
ENV HEALTH_PORT=8000
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s --retries=3 \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$HEALTH_PORT && printf 'GET /.gatekeeper/health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && grep -q '\"healthy\"' <&3"]

# SIGTERM drains for up to 25 s: docker run --stop-timeout 30.
STOPSIGNAL SIGTERM
ENTRYPOINT ["gatekeeper"]
CMD ["run"]
