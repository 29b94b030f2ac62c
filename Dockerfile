# Debian slim with the runtime libraries only; runs as a user without rights. State lives in /data.
#   docker build -t mediastack .
#   docker run -p 8000:8000 -e ADMIN_PASSWORD=… -v "$PWD/data:/data" mediastack
#   docker run --rm -v "$PWD/data:/data" mediastack record rtsp://camera/stream /data/a.mp4 --duration 1m
# The mounted directory must be writable by uid 10001, or add `--user "$(id -u)"`.

FROM rust:1.95-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends pkg-config clang libclang-dev \
      libavcodec-dev libavformat-dev libavutil-dev libswresample-dev libswscale-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p mediastack

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates tini \
      libavcodec59 libavformat59 libavutil57 libswresample4 libswscale6 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data --create-home mediastack
COPY --from=build /src/target/release/mediastack /usr/local/bin/mediastack
USER mediastack
WORKDIR /data
VOLUME /data
# tini hands on SIGTERM and reaps, so that `docker stop` ends a recording as a finished file.
ENTRYPOINT ["tini", "--", "mediastack"]
EXPOSE 8000
CMD ["serve", "--listen", "0.0.0.0:8000", "--data-dir", "/data"]
