import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends the values on standard input (one a line, in base64) once with each compression: the first to partition 0,
 * the next to partition 1. A compression is a type, or a type and its level as in zstd/22.
 */
public class JavaProducer {
  public static void main(String[] args) throws Exception {
    List<byte[]> values = new ArrayList<>();
    for (String line : new String(System.in.readAllBytes(), StandardCharsets.US_ASCII).split("\n")) {
      values.add(Base64.getDecoder().decode(line));
    }
    for (int partition = 0; partition + 2 < args.length; partition++) {
      String[] compression = args[partition + 2].split("/");
      Properties config = new Properties();
      config.put("bootstrap.servers", args[0]);
      config.put("compression.type", compression[0]);
      if (compression.length > 1) config.put("compression." + compression[0] + ".level", compression[1]);
      config.put("batch.size", 900_000);
      config.put("linger.ms", 60_000); // until the flush
      ByteArraySerializer bytes = new ByteArraySerializer();
      try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config, bytes, bytes)) {
        for (byte[] value : values) {
          var record = new ProducerRecord<byte[], byte[]>(args[1], partition, null, value);
          record.headers().add("constructor", new byte[] {1}).add("nothing", null);
          producer.send(record);
        }
        producer.flush();
      }
    }
  }
}
