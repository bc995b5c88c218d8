package clients

import (
	"bytes"
	"maps"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
)

func TestPublishBringsDataAttributesIdAndTime(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic)
	attributes := map[string]string{"tenant_id": "tenant-1", "umlaut": "äöü", "empty": ""}
	data := []byte{0, 1, 254, 255}
	ids := b.publish(topic, &pubsub.Message{Data: data, Attributes: attributes})
	got := b.pull(name, 1)[0]
	if !bytes.Equal(got.Message.Data, data) || !maps.Equal(got.Message.Attributes, attributes) {
		t.Fatal(got)
	}
	equal(t, "id", got.Message.MessageId, ids[0])
	equal(t, "attempt, without a dead-letter policy", got.DeliveryAttempt, 0)
	if age := time.Since(got.Message.PublishTime.AsTime()); age < -time.Second || age > 10*time.Second {
		t.Fatal(age)
	}
}

func TestPublishInBatchesLosesAndDoublesNothing(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic)
	ids := map[string]bool{}
	for _, id := range b.publish(topic, numbered(1500)...) {
		ids[id] = true
	}
	equal(t, "ids", len(ids), 1500)
	for _, message := range b.drain(name, 1500) {
		delete(ids, message.Message.MessageId)
	}
	equal(t, "ids that never came", len(ids), 0)
}

func TestPublishReachesThoseWhoseFilterMatches(t *testing.T) {
	b := start(t)
	topic := b.topic()
	want := map[string]string{}
	for filter, expected := range map[string]string{
		``:                            "1 2 3",
		`attributes.tenant_id = "a"`:  "1",
		`attributes.tenant_id != "a"`: "2 3",
		`attributes:urgent`:           "2",
		`hasPrefix(attributes.type, "document.")`:                                              "1",
		`(attributes.tenant_id = "a" OR attributes.tenant_id = "b") AND NOT attributes:urgent`: "1",
	} {
		want[b.subscription(topic, func(s *pb.Subscription) { s.Filter = filter })] = expected
	}
	b.publish(topic,
		&pubsub.Message{Data: []byte("1"), Attributes: map[string]string{"tenant_id": "a", "type": "document.ingested"}},
		&pubsub.Message{Data: []byte("2"), Attributes: map[string]string{"tenant_id": "b", "urgent": ""}},
		&pubsub.Message{Data: []byte("3")},
	)
	for name, expected := range want {
		count := len(strings.Fields(expected))
		equal(t, "backlog", b.stats(name).Backlog, count)
		equal(t, "messages", sorted(b.pull(name, count)), expected)
	}
}

func TestPublishRefusesWhatIsWrong(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic)
	x := []byte("x")
	many := map[string]string{}
	for i := range 101 {
		many[strings.Repeat("k", i+1)] = "v"
	}
	publish := func(topic string, messages ...*pb.PubsubMessage) error {
		_, err := client.TopicAdminClient.Publish(b.ctx, &pb.PublishRequest{Topic: topic, Messages: messages})
		return err
	}
	// Quotas page, "Resource limits".
	for _, messages := range [][]*pb.PubsubMessage{
		{},
		{{}},
		{{Data: x, Attributes: many}},
		{{Data: x, Attributes: map[string]string{strings.Repeat("k", 257): "v"}}},
		{{Data: x, Attributes: map[string]string{"k": strings.Repeat("v", 1025)}}},
		{{Data: x, OrderingKey: strings.Repeat("k", 1025)}},
		{{Data: bytes.Repeat(x, 10_000_001)}},
		{{Data: x}, {}},
	} {
		refused(t, publish(topic, messages...), codes.InvalidArgument)
	}
	refused(t, publish(b.name("topics"), &pb.PubsubMessage{Data: x}), codes.NotFound)
	equal(t, "backlog", b.stats(name).Backlog, 0)
}

func TestPublishMayBeCompressed(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic)
	publisher := client.Publisher(topic)
	publisher.PublishSettings.EnableCompression, publisher.PublishSettings.CompressionBytesThreshold = true, 100
	defer publisher.Stop()
	data := bytes.Repeat([]byte("compress me "), 1000)
	ok[string](t)(publisher.Publish(b.ctx, &pubsub.Message{Data: data}).Get(b.ctx))
	if got := b.pull(name, 1)[0].Message.Data; !bytes.Equal(got, data) {
		t.Fatalf("%d bytes came, of %d", len(got), len(data))
	}
}
