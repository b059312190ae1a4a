# syntax=docker/dockerfile:1
# The server with its bundled plugins: docker build -t madang . && docker run -p 8000:8000 madang

FROM debian:12 AS builder
WORKDIR /src
# The packages before the sources: they change seldom.
COPY dev .
RUN ./dev install build && rm -rf /var/lib/apt/lists/*
COPY . .
RUN ./dev build release madang bundled_plugins \
 && cmake --install build/release --component server --prefix /opt/madang --strip \
 && cmake --install build/release --component plugins --prefix /opt/madang --strip \
 && cmake --install build/release --component sdk --prefix /opt/madang-sdk

# What plugins are built with: docker build --target sdk -t madang-sdk . docs/containers.md has a plugin's own Dockerfile.
FROM debian:12-slim AS sdk
# What the SDK's headers include, and what builds and tests a plugin; docker_check.py holds this list too.
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      cmake \
      g++ \
      libgtest-dev \
      libvalijson-dev \
      ninja-build \
      nlohmann-json3-dev \
 && rm -rf /var/lib/apt/lists/*
COPY --from=builder /opt/madang-sdk /usr/local
WORKDIR /plugin

FROM debian:12-slim
# What `ldd` names of the binary and the bundled plugins; tests/checks/docker_check.py holds the list equal to theirs.
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates \
      fonts-nanum \
      libcaf-core0.17 \
      libcaf-io0.17 \
      libcurl4 \
      libdate-tz3 \
      libfmt9 \
      libhpdf-2.3.0 \
      libjemalloc2 \
      libprometheus-cpp-core1.0 \
      librocksdb7.8 \
      libspdlog1.10 \
      libssl3 \
      libstdc++6 \
      libtomlplusplus3 \
      tzdata \
      zlib1g \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --home-dir /var/lib/madang --no-create-home --shell /usr/sbin/nologin madang \
 && install -d -o madang -g madang -m 0700 /var/lib/madang
COPY --from=builder /opt/madang /opt/madang
ENV PATH=/opt/madang/bin:$PATH \
    MADANG_LISTEN=0.0.0.0:8000 \
    MADANG_INTERNAL_LISTEN=127.0.0.1:8001
USER madang
WORKDIR /var/lib/madang
# The public listener. The internal one (metrics, readiness) stays on the container's loopback unless told otherwise.
EXPOSE 8000
# The health check follows the port to wherever it was moved.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD madang health --url "http://127.0.0.1:${MADANG_INTERNAL_LISTEN##*:}/readyz"
# SIGTERM drains within MADANG_DRAIN_TIMEOUT; give `docker stop` longer than that.
STOPSIGNAL SIGTERM
ENTRYPOINT ["madang"]
CMD ["serve"]
