# Every stage and the board, from one image: docker-compose.yml says who is what.

FROM python:3.13-slim-trixie AS build
RUN python -m venv --without-pip /opt/venv
COPY requirements-image.lock .
# Compiled by hash, unchecked: where it runs nothing may write beside the code, and times do not survive every copy.
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/venv/bin/python install --quiet --disable-pip-version-check --root-user-action ignore \
        --no-deps --require-hashes --only-binary :all: --no-compile -r requirements-image.lock && \
    cd /opt/venv/lib/python3.13/site-packages && \
    find numpy pandas pyarrow scipy sklearn statsmodels -type d -name tests -prune -exec rm -rf {} + && \
    python -W ignore -m compileall -q -j 0 --invalidation-mode unchecked-hash .
COPY . /app
RUN rm /app/requirements-image.lock && \
    python -m compileall -q --invalidation-mode unchecked-hash /app && \
    install -d -o 10001 -g 10001 /app/.driftline /app/models/artifacts

FROM python:3.13-slim-trixie
RUN pip uninstall --quiet --yes --root-user-action ignore pip && \
    groupadd --gid 10001 driftline && \
    useradd --uid 10001 --gid driftline --no-create-home --home-dir /tmp --shell /usr/sbin/nologin driftline
COPY --from=build /opt/venv /opt/venv
# Belongs to root: who runs here cannot change it. Only .driftline (reports, downloads) and models/artifacts are its own.
COPY --from=build /app /app
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 HOME=/tmp
WORKDIR /app
USER 10001:10001
ENTRYPOINT ["python", "driftline.py"]
CMD ["--help"]
