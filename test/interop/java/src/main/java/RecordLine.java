import java.util.Base64;
import java.util.StringJoiner;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** A record as a line of JSON on standard output, every byte of it in Base64. */
class RecordLine {
    static void print(String kind, String topic, Integer partition, Headers headers, byte[] value) {
        var pairs = new StringJoiner(",", "[", "]");
        for (Header header : headers) {
            pairs.add("[\"%s\",\"%s\"]".formatted(header.key(), base64(header.value())));
        }
        System.out.println("{\"kind\":\"%s\",\"topic\":\"%s\",\"partition\":%s,\"headers\":%s,\"value\":\"%s\"}"
                .formatted(kind, topic, partition, pairs, base64(value)));
    }

    private static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }
}
