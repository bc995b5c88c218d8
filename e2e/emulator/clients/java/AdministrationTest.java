import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.api.gax.rpc.StatusCode.Code;
import com.google.cloud.pubsub.v1.Subscriber;
import com.google.iam.v1.Binding;
import com.google.iam.v1.GetIamPolicyRequest;
import com.google.iam.v1.Policy;
import com.google.iam.v1.SetIamPolicyRequest;
import com.google.iam.v1.TestIamPermissionsRequest;
import com.google.pubsub.v1.DetachSubscriptionRequest;
import com.google.pubsub.v1.RetryPolicy;
import com.google.pubsub.v1.Subscription;
import com.google.pubsub.v1.Topic;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;

/** Create, update, detach, IAM: defaults are filled in, masks are kept to, and what cannot be is refused. */
class AdministrationTest {
  private static final long DAY = 86_400;

  @Test
  void create_fills_in_the_defaults() {
    try (Bench bench = new Bench()) {
      // REST reference of projects.subscriptions: 10 s, 7 days, 31 days, ACTIVE.
      String topic = bench.topic();
      Subscription made = Bench.subscriptions.createSubscription(bench.wanted(topic, builder -> builder));
      assertEquals(10, made.getAckDeadlineSeconds());
      assertEquals(7 * DAY, made.getMessageRetentionDuration().getSeconds());
      assertEquals(31 * DAY, made.getExpirationPolicy().getTtl().getSeconds());
      assertEquals(Subscription.State.ACTIVE, made.getState());
      assertEquals(topic, made.getTopic());
      assertFalse(made.hasRetryPolicy() || made.hasDeadLetterPolicy());
      assertEquals(made, Bench.subscriptions.getSubscription(made.getName()));
    }
  }

  @Test
  void create_keeps_what_was_asked_for_and_refuses_what_is_wrong() {
    try (Bench bench = new Bench()) {
      Topic described =
          Bench.topics.createTopic(
              Topic.newBuilder().setName(bench.name("topics")).putLabels("team", "events").build());
      assertEquals(Map.of("team", "events"), described.getLabelsMap());
      String topic = described.getName();
      Subscription wanted =
          bench.wanted(
              topic,
              builder ->
                  builder
                      .setAckDeadlineSeconds(600)
                      .setEnableMessageOrdering(true)
                      .setEnableExactlyOnceDelivery(true)
                      .setFilter("attributes.tenant_id = \"a\"")
                      .putLabels("tenant", "a")
                      .setMessageRetentionDuration(Bench.seconds(600))
                      .setRetryPolicy(
                          RetryPolicy.newBuilder()
                              .setMinimumBackoff(Bench.seconds(1))
                              .setMaximumBackoff(Bench.seconds(2))));
      Subscription made = Bench.subscriptions.createSubscription(wanted);
      Subscription expected =
          wanted.toBuilder()
              .setState(Subscription.State.ACTIVE)
              .setExpirationPolicy(made.getExpirationPolicy())
              .setPushConfig(made.getPushConfig())
              .build();
      assertEquals(expected, made);

      Bench.refused(Code.ALREADY_EXISTS, () -> Bench.subscriptions.createSubscription(wanted));
      Bench.refused(Code.NOT_FOUND, () -> bench.subscription(bench.name("topics")));
      List<UnaryOperator<Subscription.Builder>> wrong =
          List.of(
              builder -> builder.setAckDeadlineSeconds(9),
              builder -> builder.setMessageRetentionDuration(Bench.seconds(599)),
              builder -> builder.setFilter("tenant_id = 1"),
              builder -> builder.putLabels("Upper", "x"));
      for (var fields : wrong) {
        Bench.refused(Code.INVALID_ARGUMENT, () -> bench.subscription(topic, fields));
      }
    }
  }

  @Test
  void update_changes_what_its_mask_names_and_nothing_else() {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic, builder -> builder.putLabels("a", "1").setAckDeadlineSeconds(20));
      Subscription change =
          Subscription.newBuilder()
              .setName(name)
              .setAckDeadlineSeconds(30)
              .putLabels("b", "2")
              .setRetryPolicy(RetryPolicy.newBuilder().setMinimumBackoff(Bench.seconds(5)))
              .build();
      Subscription changed = Bench.subscriptions.updateSubscription(change, Bench.mask("labels", "retry_policy"));
      assertEquals(Map.of("b", "2"), changed.getLabelsMap());
      assertEquals(20, changed.getAckDeadlineSeconds());
      assertEquals(5, changed.getRetryPolicy().getMinimumBackoff().getSeconds());
      assertEquals(600, changed.getRetryPolicy().getMaximumBackoff().getSeconds());
      Subscription nothing = Subscription.newBuilder().setName(name).build();
      Subscription cleared = Bench.subscriptions.updateSubscription(nothing, Bench.mask("labels", "retry_policy"));
      assertTrue(cleared.getLabelsMap().isEmpty() && !cleared.hasRetryPolicy(), cleared.toString());
      assertEquals(20, cleared.getAckDeadlineSeconds());
      Topic described =
          Bench.topics.updateTopic(
              Topic.newBuilder()
                  .setName(topic)
                  .putLabels("c", "3")
                  .setMessageRetentionDuration(Bench.seconds(600))
                  .build(),
              Bench.mask("labels", "message_retention_duration"));
      assertEquals(Map.of("c", "3"), described.getLabelsMap());
      assertEquals(600, described.getMessageRetentionDuration().getSeconds());

      for (String path : List.of("filter", "enable_message_ordering", "topic", "nonsense")) {
        Bench.refused(
            Code.INVALID_ARGUMENT, () -> Bench.subscriptions.updateSubscription(change, Bench.mask(path)));
      }
    }
  }

  @Test
  void detach_ends_the_subscription_and_drops_its_backlog() throws Exception {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String name = bench.subscription(topic);
      bench.publish(topic, List.of("dropped"));
      Bench.topics.detachSubscription(DetachSubscriptionRequest.newBuilder().setSubscription(name).build());
      assertTrue(Bench.subscriptions.getSubscription(name).getDetached());
      Inbox inbox = bench.stream(name);
      assertTrue(inbox.failure().toString().contains("FAILED_PRECONDITION"), inbox.failure().toString());
      assertEquals(Subscriber.State.FAILED, inbox.subscriber.state());
      assertEquals(0, Bench.backlog(name));
    }
  }

  @Test
  void a_policy_is_read_written_and_guarded_by_its_etag() {
    try (Bench bench = new Bench()) {
      String topic = bench.topic();
      String subscription = bench.subscription(topic);
      String snapshot = Bench.subscriptions.createSnapshot(bench.name("snapshots"), subscription).getName();
      for (String resource : List.of(topic, subscription, snapshot)) {
        Policy empty = read(resource);
        assertEquals(List.of(), empty.getBindingsList());
        assertEquals(0, empty.getVersion());
        assertFalse(empty.getEtag().isEmpty(), "never set, and still guarded");
        Policy first = write(resource, empty.toBuilder().addBindings(viewer("user:ann@example.com")).build());
        assertEquals(List.of(viewer("user:ann@example.com")), first.getBindingsList());
        assertEquals(1, first.getVersion());
        assertNotEquals(empty.getEtag(), first.getEtag());
        assertEquals(first, read(resource));
        Policy second = write(resource, first.toBuilder().clearBindings().addBindings(viewer("allUsers")).build());
        Bench.refused(Code.ABORTED, () -> write(resource, first));
        assertEquals(second, read(resource));
      }
      Bench.refused(
          Code.INVALID_ARGUMENT,
          () -> write(topic, Policy.newBuilder().addBindings(viewer("ann@example.com")).build()));
    }
  }

  @Test
  void permissions_are_tested_on_a_resource_that_is_there() {
    try (Bench bench = new Bench()) {
      TestIamPermissionsRequest request =
          TestIamPermissionsRequest.newBuilder()
              .setResource(bench.topic())
              .addAllPermissions(List.of("pubsub.topics.publish", "pubsub.topics.get"))
              .build();
      assertEquals(request.getPermissionsList(), Bench.topics.testIamPermissions(request).getPermissionsList());
      var missing = request.toBuilder().setResource(bench.name("topics")).build();
      Bench.refused(Code.NOT_FOUND, () -> Bench.topics.testIamPermissions(missing));
    }
  }

  private static Binding viewer(String member) {
    return Binding.newBuilder().setRole("roles/pubsub.viewer").addMembers(member).build();
  }

  private static Policy read(String resource) {
    return Bench.topics.getIamPolicy(GetIamPolicyRequest.newBuilder().setResource(resource).build());
  }

  private static Policy write(String resource, Policy policy) {
    return Bench.topics.setIamPolicy(
        SetIamPolicyRequest.newBuilder().setResource(resource).setPolicy(policy).build());
  }
}
