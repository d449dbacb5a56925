# One image for all services; the command selects one: `workers.intake`, `workers.importer`, ...
FROM python:3.11.13-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/payments
ENV PATH=/opt/payments/bin:$PATH
WORKDIR /app
# The subset of requirements.lock for production, without embedded engines and development tools.
COPY requirements.image.lock ./
RUN pip install --quiet --require-hashes --no-deps -r requirements.image.lock
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY console console
COPY devstack devstack
COPY emr emr
COPY payments payments
COPY tasks tasks
COPY workers workers
# Editable: the console reads its templates and styles from the folder of its code.
RUN pip install --quiet --no-deps --no-build-isolation --editable . && python -m compileall -q config console devstack emr payments tasks workers

FROM python:3.11.13-slim-bookworm
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/payments --create-home payments \
    && install --directory --owner=payments --group=payments --mode=0700 /var/lib/payments/flower
COPY --from=build /opt/payments /opt/payments
COPY --from=build /app /app
ENV PATH=/opt/payments/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PAYMENTS_HOME=/var/lib/payments \
    PAYMENTS_LOG_FORMAT=json \
    REMAP_SIGTERM=SIGQUIT
WORKDIR /var/lib/payments
USER 10001:10001
ENTRYPOINT ["python", "-m"]
CMD ["workers.intake"]
