import com.google.api.gax.core.NoCredentialsProvider;
import com.google.api.gax.grpc.InstantiatingGrpcChannelProvider;
import com.google.api.gax.rpc.ApiException;
import com.google.api.gax.rpc.FixedTransportChannelProvider;
import com.google.api.gax.rpc.StatusCode;
import com.google.api.gax.rpc.TransportChannelProvider;
import com.google.cloud.pubsub.v1.Publisher;
import com.google.cloud.pubsub.v1.Subscriber;
import com.google.cloud.pubsub.v1.SubscriberShutdownSettings;
import com.google.cloud.pubsub.v1.SubscriptionAdminClient;
import com.google.cloud.pubsub.v1.SubscriptionAdminSettings;
import com.google.cloud.pubsub.v1.TopicAdminClient;
import com.google.cloud.pubsub.v1.TopicAdminSettings;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import com.google.protobuf.FieldMask;
import com.google.pubsub.v1.PubsubMessage;
import com.google.pubsub.v1.Subscription;
import com.google.pubsub.v1.Topic;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assertions;
import org.opentest4j.AssertionFailedError;

/** A test's topics and subscriptions, in a project of its own, by official clients; and a look behind the counter. */
final class Bench implements AutoCloseable {
  /** How long a condition may take to come true. */
  static final Duration PATIENCE = Duration.ofSeconds(30);

  /** Less than the shortest lease of 10 s, so that what comes by then did not wait for its end. */
  static final Duration SOON = Duration.ofSeconds(9);

  private static final String HOST = System.getenv("PUBSUB_EMULATOR_HOST");
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  // One channel for all: to connect costs more than most tests.
  private static final TransportChannelProvider CHANNEL = channel();
  static final TopicAdminClient topics = topicClient();
  static final SubscriptionAdminClient subscriptions = subscriptionClient();

  final String project = "clients-java-" + UUID.randomUUID().toString().substring(0, 12);
  private final AtomicInteger names = new AtomicInteger();
  private final List<Publisher> publishers = new ArrayList<>();
  private final List<Subscriber> streams = new ArrayList<>();

  private static TransportChannelProvider channel() {
    if (HOST == null) {
      throw new IllegalStateException("PUBSUB_EMULATOR_HOST is missing: host:port of the emulator; ../run.sh sets it");
    }
    try {
      return FixedTransportChannelProvider.create(
          InstantiatingGrpcChannelProvider.newBuilder()
              .setEndpoint(HOST)
              .setMaxInboundMessageSize(20 << 20)
              .setChannelConfigurator(builder -> builder.usePlaintext())
              .setHeaderProvider(() -> Map.of())
              .setExecutor(ForkJoinPool.commonPool())
              .build()
              .getTransportChannel());
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static TopicAdminClient topicClient() {
    try {
      return TopicAdminClient.create(
          TopicAdminSettings.newBuilder()
              .setTransportChannelProvider(CHANNEL)
              .setCredentialsProvider(NoCredentialsProvider.create())
              .build());
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static SubscriptionAdminClient subscriptionClient() {
    try {
      return SubscriptionAdminClient.create(
          SubscriptionAdminSettings.newBuilder()
              .setTransportChannelProvider(CHANNEL)
              .setCredentialsProvider(NoCredentialsProvider.create())
              .build());
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  String name(String collection) {
    return "projects/%s/%s/n-%d".formatted(project, collection, names.incrementAndGet());
  }

  String topic() {
    return topics.createTopic(Topic.newBuilder().setName(name("topics")).build()).getName();
  }

  String subscription(String topic) {
    return subscription(topic, builder -> builder);
  }

  String subscription(String topic, UnaryOperator<Subscription.Builder> fields) {
    return subscriptions.createSubscription(wanted(topic, fields)).getName();
  }

  Subscription wanted(String topic, UnaryOperator<Subscription.Builder> fields) {
    return fields.apply(Subscription.newBuilder().setName(name("subscriptions")).setTopic(topic)).build();
  }

  /** Publishes in this order, each with what `fields` adds, and returns the ids. */
  List<String> publish(String topic, List<String> bodies, UnaryOperator<PubsubMessage.Builder> fields)
      throws Exception {
    Publisher publisher =
        Publisher.newBuilder(topic)
            .setChannelProvider(CHANNEL)
            .setCredentialsProvider(NoCredentialsProvider.create())
            .setEnableMessageOrdering(true)
            .build();
    publishers.add(publisher);
    var futures =
        bodies.stream()
            .map(body -> fields.apply(PubsubMessage.newBuilder().setData(ByteString.copyFromUtf8(body))).build())
            .map(publisher::publish)
            .toList();
    List<String> ids = new ArrayList<>();
    for (var future : futures) {
      ids.add(future.get(PATIENCE.toSeconds(), TimeUnit.SECONDS));
    }
    return ids;
  }

  List<String> publish(String topic, List<String> bodies) throws Exception {
    return publish(topic, bodies, message -> message);
  }

  /** A streaming pull, which ends with the test. At its end it gives back at once what it holds. */
  Inbox stream(String subscription, Inbox.Decision decision, Consumer<Subscriber.Builder> options) {
    Inbox inbox = new Inbox(decision);
    Subscriber.Builder builder =
        Subscriber.newBuilder(subscription, inbox)
            .setChannelProvider(CHANNEL)
            .setCredentialsProvider(NoCredentialsProvider.create())
            .setSubscriberShutdownSettings(
                SubscriberShutdownSettings.newBuilder()
                    .setMode(SubscriberShutdownSettings.ShutdownMode.NACK_IMMEDIATELY)
                    .setTimeout(PATIENCE)
                    .build());
    options.accept(builder);
    inbox.open(builder.build());
    streams.add(inbox.subscriber);
    return inbox;
  }

  Inbox stream(String subscription, Inbox.Decision decision) {
    return stream(subscription, decision, options -> {});
  }

  Inbox stream(String subscription) {
    return stream(subscription, Inbox.ACK);
  }

  @Override
  public void close() {
    streams.forEach(Subscriber::stopAsync);
    for (Subscriber stream : streams) {
      try {
        stream.awaitTerminated(PATIENCE.toSeconds(), TimeUnit.SECONDS);
      } catch (IllegalStateException | TimeoutException e) {
        // What ended a stream is for the test to ask.
      }
    }
    publishers.forEach(Publisher::shutdown);
  }

  static List<String> numbers(int from, int to) {
    return IntStream.rangeClosed(from, to).mapToObj(Integer::toString).toList();
  }

  static FieldMask mask(String... paths) {
    return FieldMask.newBuilder().addAllPaths(List.of(paths)).build();
  }

  static com.google.protobuf.Duration seconds(long seconds) {
    return com.google.protobuf.Duration.newBuilder().setSeconds(seconds).build();
  }

  /** Fails unless the call is refused with the code; returns the message. */
  static String refused(StatusCode.Code code, Runnable call) {
    ApiException refusal = Assertions.assertThrows(ApiException.class, call::run);
    Assertions.assertEquals(code, refusal.getStatusCode().getCode(), refusal.getMessage());
    return refusal.getMessage();
  }

  /** Something that asserts, and may be asked again. */
  interface Check {
    void run() throws Exception;
  }

  /** Waits until `check` asserts nothing any more; fails after a while with what it asserted last. */
  static void eventually(String what, Duration patience, Check check) throws Exception {
    for (long deadline = System.nanoTime() + patience.toNanos(); ; Thread.sleep(20)) {
      try {
        check.run();
        return;
      } catch (AssertionFailedError e) {
        if (System.nanoTime() > deadline) {
          throw new AssertionFailedError("waited " + patience + " for " + what + ": " + e.getMessage(), e);
        }
      }
    }
  }

  /** The emulator's own API, which the service does not have (see e2e/emulator/README.md). */
  static JsonObject call(String verb, String path, String body) throws Exception {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create("http://" + HOST + path))
            .method(verb, HttpRequest.BodyPublishers.ofString(body))
            .header("content-type", "application/json")
            .timeout(PATIENCE)
            .build();
    HttpResponse<String> response = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
    Assertions.assertEquals(200, response.statusCode(), verb + " " + path + ": " + response.body());
    return JsonParser.parseString(response.body()).getAsJsonObject();
  }

  static JsonObject stats(String subscription) throws Exception {
    for (var listed : call("GET", "/emulator/v1/subscriptions", "").getAsJsonArray("subscriptions")) {
      if (listed.getAsJsonObject().get("name").getAsString().equals(subscription)) {
        return listed.getAsJsonObject();
      }
    }
    return Assertions.fail(subscription + " is not listed");
  }

  static int total(String subscription, String what) throws Exception {
    return stats(subscription).getAsJsonObject("totals").get(what).getAsInt();
  }

  static int backlog(String subscription) throws Exception {
    return stats(subscription).get("backlog").getAsInt();
  }

  static void backlogIs(String subscription, int expected) throws Exception {
    eventually("the backlog", PATIENCE, () -> Assertions.assertEquals(expected, backlog(subscription), subscription));
  }
}
