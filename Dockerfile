# One image for every process; docker-compose.yml says which line of the Procfile a container runs.

# builds Postroad's wheel; of the development lock only setuptools is installed
FROM python:3.13-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

WORKDIR /src
COPY requirements.lock ./
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements.lock > build.lock \
 && pip install --require-hashes -r build.lock
COPY . .
RUN pip wheel --no-deps --no-build-isolation --no-index --wheel-dir /wheels .

FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /app
COPY requirements-runtime.lock LICENSE NOTICE ./
RUN pip install --require-hashes -r requirements-runtime.lock
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-deps --no-index /wheels/*.whl \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin postroad \
 && install --directory --owner=postroad --mode=700 /var/lib/postroad /var/lib/postroad/journals

ENV POSTROAD_HOME=/var/lib/postroad
USER postroad
CMD ["postroad", "--help"]
