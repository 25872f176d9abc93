#!/bin/sh
# The contract of the official image, as far as it is used here: KAFKA_FOO_BAR=x becomes foo.bar=x ('__' is '_', '___' is '-').
set -eu
properties=/tmp/server.properties; : > "$properties"
defaults='KAFKA_NODE_ID=1 KAFKA_PROCESS_ROLES=broker,controller KAFKA_LISTENERS=PLAINTEXT://:9092,CONTROLLER://:9093
KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9092 KAFKA_CONTROLLER_LISTENER_NAMES=CONTROLLER
KAFKA_LISTENER_SECURITY_PROTOCOL_MAP=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:9093
KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR=1 KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR=1 KAFKA_TRANSACTION_STATE_LOG_MIN_ISR=1
KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR=1 KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR=1
KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0 KAFKA_LOG_DIRS=/var/lib/kafka/data'
for pair in $defaults; do
  name=${pair%%=*}
  eval "[ -n \"\${$name:-}\" ]" || export "$pair"
done
env | grep '^KAFKA_' | grep -vE '^KAFKA_(HEAP_OPTS|OPTS|JVM_PERFORMANCE_OPTS)=' | while IFS='=' read -r name value; do
  key=$(echo "${name#KAFKA_}" | tr 'A-Z' 'a-z' | sed 's/___/-/g; s/__/%/g; s/_/./g; s/%/_/g')
  echo "$key=$value" >> "$properties"
done
set -f
class_path='/opt/kafka/libs/*'
java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$class_path" kafka.tools.StorageTool \
  format -g -t "${CLUSTER_ID:-4L6g3nShT-eMCtK--X86sw}" -c "$properties" >/dev/null
exec java ${KAFKA_HEAP_OPTS:--Xmx512m} -XX:+UseSerialGC ${KAFKA_OPTS:-} -cp "$class_path" kafka.Kafka "$properties"
