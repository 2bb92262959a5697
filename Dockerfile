# Any base with python3 >= 3.11 and its venv module will do: --build-arg BASE=...
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
# pip lives in an environment of its own, so that the one which is copied holds only what runs.
RUN python3 -m venv /pip && python3 -m venv --without-pip /app/venv
ENV PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt PIP_NO_CACHE_DIR=1
COPY pyproject.toml constraints.txt LICENSE README.md ./
# The dependencies alone, in a layer that a change of the source leaves as it is.
RUN python3 -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print(*p['dependencies'], *p['optional-dependencies']['html'], sep='\n')" > requirements.txt \
 && /pip/bin/pip --python /app/venv/bin/python3 install -r requirements.txt
COPY src src
RUN /pip/bin/pip --python /app/venv/bin/python3 install --no-deps .

FROM ${BASE}
COPY --from=build /app/venv /app/venv
COPY docker/healthcheck.py /app/healthcheck.py
COPY capabilities /app/capabilities
COPY shared /app/shared
WORKDIR /app
# Inside a container every address is private until a port is published.
ENV PATH=/app/venv/bin:$PATH NAFTIKO_HOST=0.0.0.0 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8080 8082 9090 9092
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=15s CMD ["python3", "/app/healthcheck.py"]
ENTRYPOINT ["naftiko-run"]
CMD ["serve", "--import-path", "/app/shared", "/app/capabilities"]
