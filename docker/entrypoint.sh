#!/bin/sh
# One image, one role per container: web | io | score | train | beat | migrate | bootstrap | health
set -eu

role="${1:-web}"
role_file="${VITRINE_ROLE_FILE:-/tmp/vitrine-role}"
wait_s="${VITRINE_WAIT_S:-60}"

wait_for_database() {
  waited=0
  until python -c 'import os, psycopg; psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=3).close()' \
    2>/dev/null; do
    if [ "$waited" -ge "$wait_s" ]; then
      echo "The database did not answer within ${wait_s} s" >&2
      exit 1
    fi
    waited=$((waited + 1))
    sleep 1
  done
}

compute_environment() {
  # Large buffers stay in the process: fewer page faults, 1.3 to 1.6 times the throughput on CPU.
  export MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=268435456
}

worker() {
  # $1 name, $2 queues, $3 processes
  exec celery -A iqa_site.celery --quiet worker --hostname="$1@%h" --queues="$2" --concurrency="$3" \
    --loglevel="${VITRINE_LOG_LEVEL:-INFO}" --without-gossip --without-mingle
}

health() {
  case "$(cat "$role_file")" in
    web)
      exec python -c 'import http.client
line = http.client.HTTPConnection("127.0.0.1", 8000, timeout=4)
line.request("GET", "/livez", headers={"Host": "localhost", "X-Forwarded-Proto": "https"})
raise SystemExit(line.getresponse().status != 200)'
      ;;
    beat | migrate | bootstrap) exit 0 ;; # the container lives exactly as long as the process
    *) exec celery -A iqa_site.celery --quiet inspect ping --timeout 10 --destination "$(cat "$role_file")@$(hostname)" ;;
  esac
}

case "$role" in
  health) health ;;
  web | io | score | train | beat | migrate | bootstrap) printf %s "$role" >"$role_file" ;;
  *) exec "$@" ;;
esac

wait_for_database
case "$role" in
  web)
    export VITRINE_DEVICE=cpu # it scores single pictures; the graphics card is the workers'
    exec gunicorn iqa_site.wsgi:application --bind=0.0.0.0:8000 --config=python:iqa_site.web_server \
      --worker-tmp-dir=/tmp --graceful-timeout=20 --access-logfile=-
    ;;
  # Two workers look after maintenance: a long training or import must not hold up the sweepers.
  io) worker io io,maintenance "${VITRINE_WORKER_PROCESSES:-2}" ;;
  score)
    compute_environment
    worker score score "${VITRINE_WORKER_PROCESSES:-1}"
    ;;
  train)
    compute_environment
    worker train train,maintenance 1
    ;;
  beat) exec celery -A iqa_site.celery --quiet beat --schedule=/tmp/beat-schedule --pidfile= ;;
  migrate) exec python manage.py migrate --no-input ;;
  bootstrap) exec python manage.py bootstrap --no-sample ;;
esac
