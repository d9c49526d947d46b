# One image for every process; docker-compose.yml says which line of the Procfile a container runs.
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock
COPY . .
RUN pip install --no-deps --no-build-isolation --no-index --editable . \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin postroad \
 && install --directory --owner=postroad --mode=700 /var/lib/postroad /var/lib/postroad/journals

ENV POSTROAD_HOME=/var/lib/postroad
USER postroad
CMD ["postroad", "--help"]
