package clients

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

const day = 24 * time.Hour

func TestCreateFillsInTheDefaults(t *testing.T) {
	b := start(t)
	topic := b.topic()
	request := &pb.Subscription{Name: b.name("subscriptions"), Topic: topic}
	made := ok[*pb.Subscription](t)(client.SubscriptionAdminClient.CreateSubscription(b.ctx, request))
	// REST reference of projects.subscriptions.
	equal(t, "ack deadline", made.AckDeadlineSeconds, 10)
	equal(t, "retention", made.MessageRetentionDuration.AsDuration(), 7*day)
	equal(t, "expiration", made.ExpirationPolicy.GetTtl().AsDuration(), 31*day)
	equal(t, "state", made.State, pb.Subscription_ACTIVE)
	if made.RetryPolicy != nil || made.DeadLetterPolicy != nil {
		t.Fatal("policies that nobody asked for")
	}
	get := &pb.GetSubscriptionRequest{Subscription: made.Name}
	read := ok[*pb.Subscription](t)(client.SubscriptionAdminClient.GetSubscription(b.ctx, get))
	if !proto.Equal(read, made) {
		t.Fatalf("%v is read as %v", made, read)
	}
	request = &pb.Subscription{
		Name: b.name("subscriptions"), Topic: topic, RetryPolicy: &pb.RetryPolicy{},
		DeadLetterPolicy: &pb.DeadLetterPolicy{DeadLetterTopic: topic}, ExpirationPolicy: &pb.ExpirationPolicy{},
	}
	made = ok[*pb.Subscription](t)(client.SubscriptionAdminClient.CreateSubscription(b.ctx, request))
	equal(t, "minimum backoff", made.RetryPolicy.MinimumBackoff.AsDuration(), 10*time.Second)
	equal(t, "maximum backoff", made.RetryPolicy.MaximumBackoff.AsDuration(), 600*time.Second)
	equal(t, "attempts", made.DeadLetterPolicy.MaxDeliveryAttempts, 5)
	if made.ExpirationPolicy == nil || made.ExpirationPolicy.Ttl != nil {
		t.Fatalf("an expiration policy without a ttl means never, not %v", made.ExpirationPolicy)
	}
}

func TestCreateRefusesWhatIsWrong(t *testing.T) {
	b := start(t)
	topic := b.topic()
	_, err := client.TopicAdminClient.CreateTopic(b.ctx, &pb.Topic{Name: topic})
	refused(t, err, codes.AlreadyExists)
	for _, id := range []string{"ab", "1bc", "google-topic", strings.Repeat("a", 256), "with space"} {
		_, err = client.TopicAdminClient.CreateTopic(b.ctx, &pb.Topic{Name: "projects/" + b.project + "/topics/" + id})
		refused(t, err, codes.InvalidArgument)
	}
	missing := b.name("topics")
	for code, wrong := range map[codes.Code][]*pb.Subscription{
		codes.NotFound: {
			{Topic: missing},
			{Topic: topic, DeadLetterPolicy: &pb.DeadLetterPolicy{DeadLetterTopic: missing}},
		},
		codes.InvalidArgument: {
			{Topic: topic, AckDeadlineSeconds: 9},
			{Topic: topic, AckDeadlineSeconds: 601},
			{Topic: topic, MessageRetentionDuration: durationpb.New(599 * time.Second)},
			{Topic: topic, MessageRetentionDuration: durationpb.New(31*day + time.Second)},
			{Topic: topic, ExpirationPolicy: &pb.ExpirationPolicy{Ttl: durationpb.New(day - time.Second)}},
			{Topic: topic, RetryPolicy: &pb.RetryPolicy{MaximumBackoff: durationpb.New(601 * time.Second)}},
			{Topic: topic, DeadLetterPolicy: &pb.DeadLetterPolicy{DeadLetterTopic: topic, MaxDeliveryAttempts: 4}},
			{Topic: topic, DeadLetterPolicy: &pb.DeadLetterPolicy{DeadLetterTopic: topic, MaxDeliveryAttempts: 101}},
			{Topic: topic, Labels: map[string]string{"Upper": "x"}},
			{Topic: topic, Filter: "tenant_id = 1"},
			{Topic: topic, Filter: `attributes.a = "` + strings.Repeat("x", 240) + `"`},
		},
	} {
		for _, request := range wrong {
			request.Name = b.name("subscriptions")
			_, err := client.SubscriptionAdminClient.CreateSubscription(b.ctx, request)
			refused(t, err, code)
		}
	}
	list := client.SubscriptionAdminClient.ListSubscriptions(b.ctx, &pb.ListSubscriptionsRequest{Project: "projects/" + b.project})
	if found, err := list.Next(); !errors.Is(err, iterator.Done) {
		t.Fatalf("a refused call left %v behind (%v)", found, err)
	}
}

func TestUpdateChangesWhatItsMaskNamesAndNothingElse(t *testing.T) {
	b := start(t)
	name := b.subscription(b.topic(), func(s *pb.Subscription) {
		s.Labels, s.AckDeadlineSeconds = map[string]string{"a": "1"}, 20
	})
	update := func(s *pb.Subscription, paths ...string) (*pb.Subscription, error) {
		request := &pb.UpdateSubscriptionRequest{Subscription: s, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths}}
		return client.SubscriptionAdminClient.UpdateSubscription(b.ctx, request)
	}
	wanted := &pb.Subscription{
		Name: name, AckDeadlineSeconds: 30, Labels: map[string]string{"b": "2"},
		RetryPolicy: &pb.RetryPolicy{MinimumBackoff: durationpb.New(5 * time.Second)},
	}
	changed := ok[*pb.Subscription](t)(update(wanted, "labels", "retry_policy"))
	equal(t, "a field outside of the mask", changed.AckDeadlineSeconds, 20)
	equal(t, "a label", changed.Labels["b"], "2")
	equal(t, "labels", len(changed.Labels), 1)
	equal(t, "minimum backoff", changed.RetryPolicy.MinimumBackoff.AsDuration(), 5*time.Second)
	equal(t, "a default", changed.RetryPolicy.MaximumBackoff.AsDuration(), 600*time.Second)

	wanted.Filter, wanted.Topic = "attributes:k", b.topic()
	_, err := update(wanted, "filter")
	if message := refused(t, err, codes.InvalidArgument); !strings.Contains(message, "the 'filter' field in the Subscription is not mutable") {
		t.Fatal(message)
	}
	for _, paths := range [][]string{{"topic"}, {"name"}, {"enable_message_ordering"}, {"labels", "filter"}, {"nonsense"}, {}} {
		_, err := update(wanted, paths...)
		refused(t, err, codes.InvalidArgument)
	}
	_, err = update(&pb.Subscription{Name: b.name("subscriptions")}, "labels")
	refused(t, err, codes.NotFound)
	cleared := ok[*pb.Subscription](t)(update(&pb.Subscription{Name: name}, "labels", "retry_policy"))
	if len(cleared.Labels) != 0 || cleared.RetryPolicy != nil || cleared.Filter != "" {
		t.Fatal(cleared)
	}
}

func TestListPagesThroughEverythingAndDeleteFreesTheName(t *testing.T) {
	b := start(t)
	var topics []string
	for range 5 {
		topics = append(topics, b.topic())
	}
	list := client.TopicAdminClient.ListTopics(b.ctx, &pb.ListTopicsRequest{Project: "projects/" + b.project, PageSize: 2})
	var found []string
	for topic, err := list.Next(); !errors.Is(err, iterator.Done); topic, err = list.Next() {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, topic.Name)
	}
	if !slices.Equal(found, topics) {
		t.Fatalf("%v are listed as %v", topics, found)
	}
	name := b.subscription(topics[0])
	if err := client.TopicAdminClient.DeleteTopic(b.ctx, &pb.DeleteTopicRequest{Topic: topics[0]}); err != nil {
		t.Fatal(err)
	}
	get := &pb.GetSubscriptionRequest{Subscription: name}
	left := ok[*pb.Subscription](t)(client.SubscriptionAdminClient.GetSubscription(b.ctx, get))
	equal(t, "the topic of what is left", left.Topic, "_deleted-topic_")
	ok[*pb.Topic](t)(client.TopicAdminClient.CreateTopic(b.ctx, &pb.Topic{Name: topics[0]}))
	b.publish(topics[0], bodies("not for the old subscription")...)
	equal(t, "backlog", b.stats(name).Backlog, 0)
	if err := client.SubscriptionAdminClient.DeleteSubscription(b.ctx, &pb.DeleteSubscriptionRequest{Subscription: name}); err != nil {
		t.Fatal(err)
	}
	_, err := client.SubscriptionAdminClient.GetSubscription(b.ctx, get)
	refused(t, err, codes.NotFound)
	b.subscription(topics[0], func(s *pb.Subscription) { s.Name = name })
}
