import com.google.cloud.pubsub.v1.AckReplyConsumerWithResponse;
import com.google.cloud.pubsub.v1.MessageReceiverWithAckResponse;
import com.google.cloud.pubsub.v1.Subscriber;
import com.google.pubsub.v1.PubsubMessage;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assertions;

/** Collects what a streaming pull brings. */
final class Inbox implements MessageReceiverWithAckResponse {
  /** Acks or nacks a message that was seen that many times. */
  interface Decision {
    void decide(PubsubMessage message, int times, AckReplyConsumerWithResponse reply);
  }

  static final Decision ACK = (message, times, reply) -> reply.ack();
  static final Decision HOLD = (message, times, reply) -> {};

  Subscriber subscriber;
  private final CompletableFuture<Throwable> failure = new CompletableFuture<>();
  private final Decision decision;
  private final List<PubsubMessage> messages = new ArrayList<>();
  private final Map<String, Integer> times = new HashMap<>();

  Inbox(Decision decision) {
    this.decision = decision;
  }

  void open(Subscriber subscriber) {
    this.subscriber = subscriber;
    subscriber.addListener(
        new Subscriber.Listener() {
          @Override
          public void failed(Subscriber.State from, Throwable cause) {
            failure.complete(cause);
          }
        },
        Runnable::run);
    subscriber.startAsync();
  }

  @Override
  public void receiveMessage(PubsubMessage message, AckReplyConsumerWithResponse reply) {
    int seen;
    synchronized (this) {
      messages.add(message);
      seen = times.merge(message.getMessageId(), 1, Integer::sum);
    }
    decision.decide(message, seen, reply);
  }

  synchronized List<PubsubMessage> messages() {
    return List.copyOf(messages);
  }

  List<String> bodies() {
    return messages().stream().map(message -> message.getData().toStringUtf8()).toList();
  }

  List<String> ids() {
    return messages().stream().map(PubsubMessage::getMessageId).toList();
  }

  /** Waits for that many messages. */
  List<PubsubMessage> wait(int count, Duration patience) throws Exception {
    Bench.eventually(
        count + " messages",
        patience,
        () -> Assertions.assertTrue(messages().size() >= count, () -> "got " + bodies() + ", " + failure));
    return messages();
  }

  List<PubsubMessage> wait(int count) throws Exception {
    return wait(count, Bench.PATIENCE);
  }

  /** What ended the stream. */
  Throwable failure() throws Exception {
    return failure.get(Bench.PATIENCE.toSeconds(), TimeUnit.SECONDS);
  }

  void close() throws Exception {
    subscriber.stopAsync().awaitTerminated(Bench.PATIENCE.toSeconds(), TimeUnit.SECONDS);
  }
}
