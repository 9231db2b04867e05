# The program for the CPU. Build: docker build -t anode .
# Use:   docker run --rm -v "$PWD:/project" anode list
FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
# The commit that is stored in records, since the folder .git is not copied: --build-arg COMMIT=$(git rev-parse HEAD)
ARG COMMIT=
ENV ANODE_BUILD_COMMIT=$COMMIT
# A C compiler, which TLS needs, is part of the image.
RUN cargo build --release --locked --features parquet

FROM debian:bookworm-slim
COPY --from=build /source/target/release/anode /usr/local/bin/anode
WORKDIR /project
ENTRYPOINT ["anode"]
CMD ["--help"]
