import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.api.gax.rpc.StatusCode.Code;
import com.google.cloud.pubsub.v1.AckReplyConsumerWithResponse;
import com.google.common.collect.ImmutableList;
import com.google.protobuf.Timestamp;
import com.google.pubsub.v1.SeekRequest;
import com.google.pubsub.v1.Snapshot;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;

/** Seek by time and by snapshot, also under a stream that is open; purge; snapshots themselves. */
class SeekTest {
  private static void seek(String subscription, Timestamp time) {
    Bench.subscriptions.seek(SeekRequest.newBuilder().setSubscription(subscription).setTime(time).build());
  }

  private static void seek(String subscription, String snapshot) {
    Bench.subscriptions.seek(SeekRequest.newBuilder().setSubscription(subscription).setSnapshot(snapshot).build());
  }

  private static Timestamp at(Instant time) {
    return Timestamp.newBuilder().setSeconds(time.getEpochSecond()).build();
  }

  /** Acks all that is there, ends its stream, and returns the bodies. */
  private static List<String> drain(Bench bench, String subscription, int count) throws Exception {
    Inbox inbox = bench.stream(subscription);
    inbox.wait(count);
    Bench.backlogIs(subscription, 0);
    inbox.close();
    return inbox.bodies().stream().sorted().toList();
  }

  @Test
  void a_seek_back_in_time_brings_what_the_subscription_retained() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String keeps = bench.subscription(topic, builder -> builder.setRetainAckedMessages(true));
      String drops = bench.subscription(topic);
      bench.publish(topic, List.of("1", "2"));
      drain(bench, keeps, 2);
      drain(bench, drops, 2);
      Timestamp past = at(Instant.now().minusSeconds(3_600));
      seek(keeps, past);
      seek(drops, past);
      assertEquals(0, Bench.backlog(drops), "an acked message that is not retained is gone");
      assertEquals(List.of("1", "2"), drain(bench, keeps, 2));
    }
  }

  @Test
  void a_seek_to_the_future_purges_also_what_a_stream_holds() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic);
      bench.publish(topic, List.of("1", "2", "3"));
      Map<String, AckReplyConsumerWithResponse> held = new ConcurrentHashMap<>();
      Inbox inbox =
          bench.stream(
              name,
              (message, times, reply) -> {
                if (message.getData().toStringUtf8().equals("new")) {
                  reply.ack();
                } else {
                  held.put(message.getData().toStringUtf8(), reply);
                }
              });
      inbox.wait(3);
      Bench.eventually("three replies", Bench.PATIENCE, () -> assertEquals(3, held.size()));
      seek(name, at(Instant.parse("3000-01-01T00:00:00Z")));
      assertEquals(0, Bench.backlog(name));
      held.get("1").ack();
      held.get("2").nack();
      bench.publish(topic, List.of("new"));
      inbox.wait(4, Bench.SOON);
      Bench.backlogIs(name, 0);
      assertEquals(List.of("new"), inbox.bodies().subList(3, inbox.bodies().size()), "what was purged stays away");
    }
  }

  @Test
  void an_ack_that_follows_its_seek_back_in_time_does_not_take_the_message_away() throws Exception {
    // The client batches acks, so that this one arrives after the seek; its ack id is from before it.
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name =
          bench.subscription(topic, builder -> builder.setRetainAckedMessages(true).setAckDeadlineSeconds(60));
      String id = bench.publish(topic, List.of("again")).get(0);
      Inbox inbox =
          bench.stream(
              name,
              (message, times, reply) -> {
                reply.ack();
                if (times == 1) {
                  seek(name, message.getPublishTime());
                }
              });
      inbox.wait(2, Bench.SOON);
      assertEquals(List.of(id, id), inbox.ids());
      Bench.backlogIs(name, 0);
    }
  }

  @Test
  void a_seek_to_a_snapshot_restores_what_was_unacknowledged_then() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic);
      bench.publish(topic, List.of("acked before"));
      drain(bench, name, 1);
      bench.publish(topic, List.of("unacked then"));
      String snapshot = Bench.subscriptions.createSnapshot(bench.name("snapshots"), name).getName();
      bench.publish(topic, List.of("published since"));
      drain(bench, name, 2);
      seek(name, snapshot);
      assertEquals(List.of("published since", "unacked then"), drain(bench, name, 2));
    }
  }

  @Test
  void snapshots_are_made_listed_changed_and_deleted() {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic);
      String id = bench.name("snapshots");
      Snapshot made = Bench.subscriptions.createSnapshot(id, name);
      assertEquals(topic, made.getTopic());
      double days = (made.getExpireTime().getSeconds() - Instant.now().getEpochSecond()) / 86_400.0;
      assertTrue(days > 6.9 && days < 7.1, "expires in " + days + " days");
      Bench.refused(Code.ALREADY_EXISTS, () -> Bench.subscriptions.createSnapshot(id, name));
      var listed = Bench.subscriptions.listSnapshots("projects/" + bench.project).iterateAll();
      assertEquals(List.of(made), ImmutableList.copyOf(listed));
      Snapshot change = Snapshot.newBuilder().setName(id).putLabels("a", "1").build();
      Snapshot changed = Bench.subscriptions.updateSnapshot(change, Bench.mask("labels"));
      assertEquals(made.toBuilder().putLabels("a", "1").build(), changed);
      Bench.refused(Code.INVALID_ARGUMENT, () -> Bench.subscriptions.updateSnapshot(change, Bench.mask("topic")));
      Bench.subscriptions.deleteSnapshot(id);
      Bench.refused(Code.NOT_FOUND, () -> seek(name, id));
      Bench.refused(Code.NOT_FOUND, () -> Bench.subscriptions.deleteSnapshot(id));
    }
  }
}
