import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.springframework.kafka.core.DefaultKafkaConsumerFactory;
import org.springframework.kafka.core.DefaultKafkaProducerFactory;
import org.springframework.kafka.listener.ContainerProperties;
import org.springframework.kafka.listener.KafkaMessageListenerContainer;
import org.springframework.kafka.requestreply.ReplyingKafkaTemplate;
import org.springframework.kafka.support.TopicPartitionOffset;

/**
 * Registers with Spring's ReplyingKafkaTemplate whatever is on standard input, one by one. A line is a key, a tab and a
 * value; for each, the record sent and its reply go to standard output, a line of JSON both.
 *
 * Arguments: bootstrap servers, request topic, reply topic, and the partition of it where that is assigned by hand.
 */
public class SpringRequestReply {
    public static void main(String[] arguments) throws Exception {
        String brokers = arguments[0];
        String requestTopic = arguments[1];
        String replyTopic = arguments[2];
        ContainerProperties listening = arguments.length > 3
                ? new ContainerProperties(new TopicPartitionOffset(replyTopic, Integer.parseInt(arguments[3])))
                : new ContainerProperties(replyTopic);
        listening.setGroupId("spring-" + UUID.randomUUID());
        listening.setPollTimeout(200); // a partition assigned by hand is there only after the first poll

        var producers = new DefaultKafkaProducerFactory<>(
                Map.of("bootstrap.servers", brokers), new StringSerializer(), new ByteArraySerializer());
        var consumers = new DefaultKafkaConsumerFactory<>(
                Map.of("bootstrap.servers", brokers), new StringDeserializer(), new ByteArrayDeserializer());
        var template = new ReplyingKafkaTemplate<>(
                producers, new KafkaMessageListenerContainer<>(consumers, listening));
        template.setSharedReplyTopic(true); // it is the topic of others too: no error for what is theirs
        template.start();
        try {
            if (!template.waitForAssignment(Duration.ofSeconds(30))) throw new Exception("no assignment");
            var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
            for (String line; (line = lines.readLine()) != null; ) {
                String[] keyAndValue = line.split("\t", 2);
                var request = new ProducerRecord<>(
                        requestTopic, keyAndValue[0], keyAndValue[1].getBytes(StandardCharsets.UTF_8));
                var reply = template.sendAndReceive(request, Duration.ofSeconds(30)).get(40, TimeUnit.SECONDS);
                RecordLine.print("request", request.topic(), request.partition(), request.headers(), request.value());
                RecordLine.print("reply", reply.topic(), reply.partition(), reply.headers(), reply.value());
            }
        } finally {
            template.stop();
            template.destroy();
            producers.destroy();
        }
    }
}
