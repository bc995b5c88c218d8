import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.api.core.ApiFuture;
import com.google.api.gax.batching.FlowControlSettings;
import com.google.api.gax.rpc.ApiException;
import com.google.api.gax.rpc.StatusCode.Code;
import com.google.cloud.pubsub.v1.AckResponse;
import com.google.cloud.pubsub.v1.Subscriber;
import com.google.iam.v1.Binding;
import com.google.iam.v1.Policy;
import com.google.iam.v1.SetIamPolicyRequest;
import com.google.pubsub.v1.DeadLetterPolicy;
import com.google.pubsub.v1.PubsubMessage;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;

/** Publish and streaming pull: filters, ordering, nacks, a close and what comes after, exactly-once, dead letters. */
class DeliveryTest {
  @Test
  void a_streaming_pull_brings_the_backlog_and_what_comes_later_whole() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic);
      List<String> ids =
          bench.publish(topic, List.of("before"), message -> message.putAttributes("a", "1").setOrderingKey("k"));
      Inbox inbox = bench.stream(name);
      PubsubMessage message = inbox.wait(1).get(0);
      assertEquals(ids.get(0), message.getMessageId());
      assertEquals(Map.of("a", "1"), message.getAttributesMap());
      assertEquals("k", message.getOrderingKey());
      long age = System.currentTimeMillis() / 1000 - message.getPublishTime().getSeconds();
      assertTrue(Math.abs(age) < 60, "published " + age + " s ago");
      bench.publish(topic, Bench.numbers(1, 200));
      inbox.wait(201);
      Bench.backlogIs(name, 0);
      Set<String> expected = new HashSet<>(Bench.numbers(1, 200));
      expected.add("before");
      assertEquals(expected, new HashSet<>(inbox.bodies()));
      assertEquals(201, inbox.bodies().size(), "each came once");
    }
  }

  @Test
  void flow_control_holds_back_what_is_beyond_it() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic);
      bench.publish(topic, Bench.numbers(1, 20));
      var held = new ConcurrentLinkedQueue<Runnable>();
      Inbox inbox =
          bench.stream(
              name,
              (message, times, reply) -> held.add(reply::ack),
              builder ->
                  builder
                      .setParallelPullCount(1)
                      .setFlowControlSettings(
                          FlowControlSettings.newBuilder().setMaxOutstandingElementCount(3L).build()));
      inbox.wait(3);
      Bench.eventually(
          "three leases",
          Bench.PATIENCE,
          () -> assertEquals(3, Bench.stats(name).get("outstanding").getAsInt()));
      for (int acked = 0; acked < 20; acked++) {
        int came = inbox.wait(Math.min(acked + 3, 20)).size();
        assertTrue(came <= acked + 3, came + " came, and " + acked + " were acked");
        held.remove().run();
      }
      Bench.backlogIs(name, 0);
    }
  }

  @Test
  void a_filter_chooses() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String ours = bench.subscription(topic, builder -> builder.setFilter("attributes.tenant_id = \"a\""));
      String others =
          bench.subscription(
              topic, builder -> builder.setFilter("attributes:tenant_id AND NOT attributes.tenant_id = \"a\""));
      bench.publish(topic, List.of("for a"), message -> message.putAttributes("tenant_id", "a"));
      bench.publish(topic, List.of("for b"), message -> message.putAttributes("tenant_id", "b"));
      bench.publish(topic, List.of("for none"));
      assertEquals(1, Bench.backlog(ours));
      assertEquals(1, Bench.backlog(others));
      Inbox first = bench.stream(ours);
      Inbox second = bench.stream(others);
      first.wait(1);
      second.wait(1);
      assertEquals(List.of("for a"), first.bodies());
      assertEquals(List.of("for b"), second.bodies());
    }
  }

  @Test
  void messages_of_a_key_come_in_the_order_they_were_published_and_again_from_a_nack_on() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic, builder -> builder.setEnableMessageOrdering(true));
      for (String key : List.of("a", "b", "c")) {
        bench.publish(topic, Bench.numbers(1, 40), message -> message.setOrderingKey(key));
      }
      Inbox inbox =
          bench.stream(
              name,
              (message, times, reply) -> {
                boolean refused =
                    message.getOrderingKey().equals("a")
                        && message.getData().toStringUtf8().equals("20")
                        && times == 1;
                var answered = refused ? reply.nack() : reply.ack();
              });
      inbox.wait(120);
      Bench.backlogIs(name, 0);
      assertEquals(Bench.numbers(1, 40), ofKey(inbox, "b"), "another key is not touched");
      assertEquals(Bench.numbers(1, 40), ofKey(inbox, "c"), "another key is not touched");
      // "Receive messages in order": after a nack, that message and all later ones of the key come again.
      List<String> a = ofKey(inbox, "a");
      assertEquals(Bench.numbers(1, 20), a.subList(0, 20));
      assertEquals(Bench.numbers(20, 40), a.subList(a.size() - 21, a.size()));
    }
  }

  private static List<String> ofKey(Inbox inbox, String key) {
    return inbox.messages().stream()
        .filter(message -> message.getOrderingKey().equals(key))
        .map(message -> message.getData().toStringUtf8())
        .toList();
  }

  @Test
  void a_nack_brings_the_message_again_at_once() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic, builder -> builder.setAckDeadlineSeconds(60));
      String id = bench.publish(topic, List.of("again")).get(0);
      Inbox inbox =
          bench.stream(
              name,
              (message, times, reply) -> {
                var answered = times < 3 ? reply.nack() : reply.ack();
              });
      inbox.wait(3, Bench.SOON);
      assertEquals(List.of(id, id, id), inbox.ids());
      Bench.backlogIs(name, 0);
      assertEquals(2, Bench.total(name, "nacked"));
      assertEquals(1, Bench.total(name, "acked"));
      assertEquals(0, Bench.total(name, "expired"));
    }
  }

  @Test
  void what_is_outstanding_at_a_close_comes_again_at_once_in_the_stream_that_is_opened_next() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic, builder -> builder.setAckDeadlineSeconds(60));
      List<String> ids = bench.publish(topic, Bench.numbers(1, 50));
      Inbox first =
          bench.stream(
              name,
              (message, times, reply) -> {
                if (Integer.parseInt(message.getData().toStringUtf8()) <= 10) {
                  reply.ack();
                }
              });
      first.wait(50);
      Bench.backlogIs(name, 40);
      first.close();
      Inbox second = bench.stream(name);
      second.wait(40, Bench.SOON);
      assertEquals(new HashSet<>(ids.subList(10, 50)), new HashSet<>(second.ids()));
      Bench.backlogIs(name, 0);
      assertEquals(0, Bench.total(name, "expired"));
    }
  }

  @Test
  void a_subscriber_closes_and_another_opens() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic, builder -> builder.setAckDeadlineSeconds(60));
      for (String body : Bench.numbers(1, 5)) {
        bench.publish(topic, List.of(body));
        Inbox inbox = bench.stream(name);
        inbox.wait(1, Bench.SOON);
        inbox.close();
        assertEquals(List.of(body), inbox.bodies());
      }
      Bench.backlogIs(name, 0);
    }
  }

  @Test
  void a_missing_subscription_ends_the_stream() throws Exception {
    try (Bench bench = new Bench()) {
      Throwable failure = bench.stream(bench.name("subscriptions")).failure();
      assertTrue(failure.toString().contains("NOT_FOUND"), failure.toString());
    }
  }

  @Test
  void exactly_once_acks_and_nacks_report_success() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic, builder -> builder.setEnableExactlyOnceDelivery(true));
      List<String> expected = new ArrayList<>(bench.publish(topic, Bench.numbers(1, 20)));
      expected.add(expected.get(6));
      var answers = new ConcurrentLinkedQueue<ApiFuture<AckResponse>>();
      Inbox inbox =
          bench.stream(
              name,
              (message, times, reply) -> {
                boolean refused = times == 1 && message.getData().toStringUtf8().equals("7");
                answers.add(refused ? reply.nack() : reply.ack());
              });
      inbox.wait(21);
      Bench.eventually("an answer each", Bench.PATIENCE, () -> assertEquals(21, answers.size()));
      for (var answer : answers) {
        assertEquals(AckResponse.SUCCESSFUL, answer.get(Bench.PATIENCE.toSeconds(), TimeUnit.SECONDS));
      }
      Bench.backlogIs(name, 0);
      assertEquals(expected.stream().sorted().toList(), inbox.ids().stream().sorted().toList());
    }
  }

  @Test
  void exactly_once_an_ack_whose_lease_was_taken_back_is_refused() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic, builder -> builder.setEnableExactlyOnceDelivery(true));
      bench.publish(topic, List.of("once"));
      var held = Bench.subscriptions.pull(name, 1).getReceivedMessages(0);
      Bench.subscriptions.modifyAckDeadline(name, List.of(held.getAckId()), 0);
      Inbox inbox = bench.stream(name, Inbox.HOLD);
      inbox.wait(1);
      String refusal =
          Bench.refused(
              Code.INVALID_ARGUMENT, () -> Bench.subscriptions.acknowledge(name, List.of(held.getAckId())));
      assertEquals(1, Bench.backlog(name), refusal);
      assertEquals(0, Bench.total(name, "acked"));
    }
  }

  @Test
  void a_dead_letter_arrives_after_its_attempts_with_its_origin_once_both_grants_are_there() throws Exception {
    try (Bench bench = new Bench()) {
      // The service agent carries the project's number, and each test's project has its own.
      long number = 700_000_000_000L + Integer.parseInt(bench.project.substring(bench.project.length() - 3), 16);
      Bench.call("PUT", "/emulator/v1/projects/" + bench.project, "{\"projectNumber\": \"" + number + "\"}");
      String agent = "serviceAccount:service-" + number + "@gcp-sa-pubsub.iam.gserviceaccount.com";
      String topic = bench.topic();
      String deadTopic = bench.topic();
      String dead = bench.subscription(deadTopic);
      var policy = DeadLetterPolicy.newBuilder().setDeadLetterTopic(deadTopic).setMaxDeliveryAttempts(5);
      String name = bench.subscription(topic, builder -> builder.setDeadLetterPolicy(policy));
      grant(deadTopic, "roles/pubsub.publisher", agent);
      grant(name, "roles/pubsub.subscriber", agent);

      bench.publish(topic, List.of("good", "poison"), message -> message.putAttributes("tenant_id", "a"));
      var attempts = new ConcurrentLinkedQueue<Integer>();
      bench.stream(
          name,
          (message, times, reply) -> {
            boolean poison = message.getData().toStringUtf8().equals("poison");
            if (poison) {
              attempts.add(Subscriber.getDeliveryAttempt(message));
            }
            var answered = poison ? reply.nack() : reply.ack();
          });
      PubsubMessage letter = bench.stream(dead).wait(1).get(0);
      assertEquals("poison", letter.getData().toStringUtf8());
      Map<String, String> attributes = letter.getAttributesMap();
      assertEquals("a", attributes.get("tenant_id"));
      assertTrue(name.endsWith("/" + attributes.get("CloudPubSubDeadLetterSourceSubscription")), attributes.toString());
      assertEquals("5", attributes.get("CloudPubSubDeadLetterSourceDeliveryCount"));
      Bench.backlogIs(name, 0);
      assertEquals(List.of(1, 2, 3, 4, 5), List.copyOf(attempts));
    }
  }

  private static void grant(String resource, String role, String member) {
    Policy policy = Policy.newBuilder().addBindings(Binding.newBuilder().setRole(role).addMembers(member)).build();
    Bench.topics.setIamPolicy(SetIamPolicyRequest.newBuilder().setResource(resource).setPolicy(policy).build());
  }

  @Test
  void a_message_too_large_is_refused_and_the_next_passes() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic);
      ExecutionException refusal =
          Assertions.assertThrows(
              ExecutionException.class, () -> bench.publish(topic, List.of("x".repeat(10_000_001))));
      ApiException cause = Assertions.assertInstanceOf(ApiException.class, refusal.getCause());
      assertEquals(Code.INVALID_ARGUMENT, cause.getStatusCode().getCode());
      bench.publish(topic, List.of("x".repeat(9_000_000)));
      assertEquals(9_000_000, bench.stream(name).wait(1).get(0).getData().size());
      Bench.backlogIs(name, 0);
    }
  }
}
