# One image for every role; the command chooses: `serve`, `serve chat`, `migrate up`, `backup`, …
# Build with an SBOM: docker buildx build --sbom=true --provenance=true -t secureconnect:0.1.0 .
# Base images are pinned by version. Pin the digest too, where the build may look it up:
# docker buildx imagetools inspect python:3.11.14-slim-bookworm

FROM python:3.11.14-slim-bookworm AS build
WORKDIR /source
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/secureconnect
COPY requirements/run.txt requirements/build.txt requirements/
RUN python -m pip install --require-hashes -r requirements/build.txt \
    && /opt/secureconnect/bin/python -m pip install --require-hashes -r requirements/run.txt
COPY pyproject.toml hatch_build.py README.md LICENSE NOTICE CHANGELOG.md ./
COPY src src
RUN python -m hatchling build --target wheel \
    && /opt/secureconnect/bin/python -m pip install --no-deps dist/*.whl \
    && /opt/secureconnect/bin/python -m pip uninstall --yes pip setuptools

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="SecureConnect" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 secureconnect \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin secureconnect \
    && install --directory --owner=10001 --group=10001 --mode=0700 /data /logs /backups
COPY --from=build /opt/secureconnect /opt/secureconnect
COPY deploy/container/healthcheck /usr/local/bin/healthcheck
ENV PATH=/opt/secureconnect/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    SECURECONNECT__SERVER__DATA_DIR=/data \
    SECURECONNECT__SERVER__HOST=0.0.0.0
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080 8081 8082 8083 8084
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3 CMD ["healthcheck"]
ENTRYPOINT ["secureconnect"]
CMD ["serve"]
