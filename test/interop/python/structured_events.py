"""Registers with structured CloudEvents, and reads the replies, by the CloudEvents SDK on both ways.

A line on standard input is a JSON object with the `attributes` and the `data` of an event. When all have their replies,
each of these goes to standard output: its record's partition, and the attributes and data that the SDK reads in it.

Arguments: bootstrap servers, request topic, reply topic.
"""

import json
import sys
import time
from datetime import datetime, timezone

from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

WAIT_SECONDS = 60


def main(brokers, request_topic, reply_topic):
    events = [read_event(line) for line in sys.stdin]
    consumer = Consumer(
        {"bootstrap.servers": brokers, "group.id": "none", "enable.auto.commit": False}
    )
    consumer.assign(ends_of(reply_topic, consumer))

    producer = Producer(
        {"bootstrap.servers": brokers, "partitioner": "murmur2_random"}
    )
    for event in events:
        message = to_structured(event, JSONFormat(), key_mapper=workflow_name_of)
        producer.produce(
            request_topic,
            key=message.key,
            value=message.value,
            headers=list(message.headers.items()),
            on_delivery=raise_on_failure,
        )
    if producer.flush(30) > 0:
        raise TimeoutError("not all events were delivered")

    awaited = {event.get_extension("correlationid") for event in events}
    deadline = time.monotonic() + WAIT_SECONDS
    while awaited:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no reply to {awaited}")
        record = consumer.poll(0.2)
        if record is None:
            continue
        if record.error():
            raise KafkaException(record.error())
        message = KafkaMessage(
            headers=dict(record.headers()), key=record.key(), value=record.value()
        )
        reply = from_kafka(message, JSONFormat())
        awaited.discard(reply.get_extension("correlationid"))
        print_reply(record.partition(), reply)
    consumer.close()


def read_event(line):
    event = json.loads(line)
    attributes = {**event["attributes"], "time": datetime.now(timezone.utc)}
    return CloudEvent(attributes=attributes, data=event["data"])


def workflow_name_of(event):
    return event.get_data()["workflow_name"]


def ends_of(topic, consumer):
    partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    ends = []
    for partition in partitions:
        _, end = consumer.get_watermark_offsets(
            TopicPartition(topic, partition), timeout=30
        )
        ends.append(TopicPartition(topic, partition, end))
    return ends


def raise_on_failure(error, _record):
    if error is not None:
        raise KafkaException(error)


def print_reply(partition, reply):
    reply_line = {
        "partition": partition,
        "attributes": reply.get_attributes(),
        "data": reply.get_data(),
    }
    print(json.dumps(reply_line, default=datetime.isoformat), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
