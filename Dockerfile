# One image, one process. The lock file carries the hashes of every dependency.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
COPY requirements/runtime.txt requirements/runtime.txt
RUN python -m venv /opt/aftermerge \
    && /opt/aftermerge/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY requirements/build.txt requirements/build.txt
RUN python -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY collector collector
COPY correlator correlator
COPY api api
COPY demo demo
RUN /opt/build/bin/python -m hatchling build -t wheel -d dist \
    && /opt/aftermerge/bin/pip install --no-cache-dir --no-deps dist/*.whl

FROM python:3.11-slim-bookworm
# git mirrors the repositories; its version is the distribution's, which carries the security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends git openssh-client ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /data --no-create-home aftermerge \
    && install -d -o aftermerge -g aftermerge -m 0700 /data
COPY --from=build /opt/aftermerge /opt/aftermerge
ENV PATH=/opt/aftermerge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    AFTERMERGE_DATA=/data \
    AFTERMERGE_HOST=0.0.0.0
USER 10001:10001
VOLUME /data
EXPOSE 4317 4318 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["aftermerge"]
CMD ["serve"]
