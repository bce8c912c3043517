# One image for every Airflow component, the Polygon simulator and the embedded warehouse; the command makes the difference.
#
# 3.3-8 carries Airflow 3.3.2. The -base image leaves installing to this file, so that the containers run the versions of
# requirements.lock, the ones that the tests run with. Python 3.12 is named because the tag alone means a newer one.
FROM astrocrpublic.azurecr.io/runtime:3.3-8-python-3.12-base

WORKDIR /usr/local/airflow

USER root
# Every wheel brings the libraries that it needs; the public authorities are Debian's, and curl asks for health.
COPY packages.txt ./
RUN /usr/local/bin/install-system-packages

COPY requirements.lock ./
RUN uv pip install --system --no-cache --compile-bytecode --require-hashes --requirement requirements.lock

# The feature store's pins and Airflow's exclude each other: 0.6 GB of its own.
COPY include/feature_store/requirements.lock feature-store.lock
RUN uv venv --quiet /usr/local/feature-store && \
    uv pip install --no-cache --compile-bytecode --require-hashes --python /usr/local/feature-store/bin/python \
    --requirement feature-store.lock

# Named volumes take the owner of the folder that they cover.
RUN install --directory --owner=astro --group=0 logs state state/airflow state/dbt-docs state/reports state/tls state/warehouse state/watchdog

USER astro
ENV PYTHONPATH=/usr/local/airflow
COPY --chown=astro:0 airflow_settings.yaml ./
COPY --chown=astro:0 dbt_project dbt_project
COPY --chown=astro:0 include include
COPY --chown=astro:0 plugins plugins
COPY --chown=astro:0 dags dags

# Everything that is compiled is compiled once here instead of in the first minute of every new container: detection's
# kernels, for whatever processor the image will meet, and all modules.
ENV NUMBA_CPU_NAME=generic
RUN python -m compileall -q dags include plugins && python -m include.surveillance.live.warm_up

# Cosmos draws the dbt task graph from the manifest. Parsing connects to nothing, so every name will do.
RUN SNOWFLAKE_ACCOUNT=none SNOWFLAKE_USER=none SNOWFLAKE_PASSWORD=none SNOWFLAKE_WAREHOUSE=none SNOWFLAKE_ROLE=none \
    dbt parse --project-dir dbt_project --profiles-dir dbt_project
