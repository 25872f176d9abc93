#!/bin/sh
# The contract of the official image, as far as it is used here: the first start makes the cluster, the user and the database.
set -eu
user=${POSTGRES_USER:-postgres}; password=${POSTGRES_PASSWORD:?is required}; database=${POSTGRES_DB:-$user}
case "${1:-}" in -*) ;; ?*) shift ;; esac # options alone are those of postgres
mkdir -p "$PGDATA" /var/run/postgresql
chown -R postgres:postgres /var/lib/postgresql /var/run/postgresql
chmod 700 "$PGDATA"
as_postgres() { su postgres -c "export PATH=$PATH LD_LIBRARY_PATH=$LD_LIBRARY_PATH; $1"; }

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  umask 077; echo "$password" > /tmp/password; chown postgres /tmp/password
  as_postgres "initdb -D $PGDATA -U '$user' --pwfile=/tmp/password -A scram-sha-256 --encoding=UTF8 --locale=C >/dev/null"
  rm /tmp/password
  { echo 'local all all trust'; cat "$PGDATA/pg_hba.conf"; echo 'host all all all scram-sha-256'; } > /tmp/pg_hba.conf
  cat /tmp/pg_hba.conf > "$PGDATA/pg_hba.conf"
  if [ "$database" != postgres ]; then
    as_postgres "pg_ctl -D $PGDATA -w -o \"-c listen_addresses='' -k /var/run/postgresql\" start >/dev/null"
    as_postgres "psql -h /var/run/postgresql -U '$user' -d postgres -qc 'create database \"$database\"'"
    as_postgres "pg_ctl -D $PGDATA -w -m fast stop >/dev/null"
  fi
fi
exec su postgres -c "export PATH=$PATH LD_LIBRARY_PATH=$LD_LIBRARY_PATH; exec postgres -D $PGDATA -c listen_addresses='*' -k /var/run/postgresql $*"
