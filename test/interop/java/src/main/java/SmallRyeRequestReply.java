import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Registers what is on standard input with the headers that SmallRye Reactive Messaging writes: the reply topic as text,
 * its partition as four bytes, and twelve random bytes to know the reply by. A line is a key, a tab and a value; for each,
 * the record sent and its reply go to standard output, a line of JSON both.
 *
 * Arguments: bootstrap servers, request topic, reply topic, reply partition.
 */
public class SmallRyeRequestReply {
    public static void main(String[] arguments) throws Exception {
        String brokers = arguments[0];
        String requestTopic = arguments[1];
        String replyTopic = arguments[2];
        int replyPartition = Integer.parseInt(arguments[3]);
        var partition = new TopicPartition(replyTopic, replyPartition);
        Map<String, Object> settings = Map.of("bootstrap.servers", brokers, "enable.auto.commit", false);
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
                var producer = new KafkaProducer<>(
                        Map.of("bootstrap.servers", brokers), new StringSerializer(), new ByteArraySerializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToEnd(List.of(partition));
            consumer.position(partition); // the end as it is now, before anything is sent
            var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line; (line = lines.readLine()) != null; ) {
                String[] keyAndValue = line.split("\t", 2);
                byte[] correlationId = new byte[12];
                new SecureRandom().nextBytes(correlationId);
                var request = new ProducerRecord<>(
                        requestTopic, keyAndValue[0], keyAndValue[1].getBytes(StandardCharsets.UTF_8));
                request.headers()
                        .add("REPLY_CORRELATION_ID", correlationId)
                        .add("REPLY_TOPIC", replyTopic.getBytes(StandardCharsets.UTF_8))
                        .add("REPLY_PARTITION", ByteBuffer.allocate(4).putInt(replyPartition).array());
                producer.send(request).get(30, TimeUnit.SECONDS);
                var reply = replyTo(correlationId, consumer);
                RecordLine.print("request", request.topic(), request.partition(), request.headers(), request.value());
                RecordLine.print("reply", reply.topic(), reply.partition(), reply.headers(), reply.value());
            }
        }
    }

    private static ConsumerRecord<String, byte[]> replyTo(byte[] correlationId, Consumer<String, byte[]> consumer) {
        for (var deadline = Instant.now().plusSeconds(30); Instant.now().isBefore(deadline); ) {
            for (var record : consumer.poll(Duration.ofMillis(200))) {
                var header = record.headers().lastHeader("REPLY_CORRELATION_ID");
                if (header != null && Arrays.equals(header.value(), correlationId)) return record;
            }
        }
        throw new IllegalStateException("no reply with these bytes within 30 s");
    }
}
