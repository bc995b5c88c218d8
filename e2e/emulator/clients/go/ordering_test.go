package clients

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
)

func ordered(s *pb.Subscription) { s.EnableMessageOrdering = true }

func keyed(key string, texts ...string) (messages []*pubsub.Message) {
	for _, message := range bodies(texts...) {
		message.OrderingKey = key
		messages = append(messages, message)
	}
	return messages
}

func TestMessagesOfAKeyComeInTheOrderTheyWerePublished(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic, ordered)
	var messages []*pubsub.Message
	for i := range 250 {
		messages = append(messages, keyed(fmt.Sprint("key-", i%5), fmt.Sprintf("%03d", i))...)
	}
	b.publish(topic, messages...)
	in := b.receive(name, ack, func(s *pubsub.ReceiveSettings) { s.MaxOutstandingMessages = 20 })
	got := in.wait(250)
	for k := range 5 {
		key := fmt.Sprint("key-", k)
		equal(t, key, bodiesOf(got, key), bodiesOf(messages, key))
	}
	b.backlogIs(name, 0)
}

func TestANackBringsItsMessageAndAllLaterOnesOfTheKeyAgainInOrder(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic, ordered)
	b.publish(topic, slices.Concat(keyed("a", "1", "2"), keyed("b", "5", "6"), keyed("a", "3", "4"))...)
	in := b.receive(name, nackOnce("2"))
	b.backlogIs(name, 0)
	equal(t, "another key", bodiesOf(in.all(), "b"), "5 6")
	got := bodiesOf(in.all(), "a")
	if !strings.HasPrefix(got, "1 2") || !strings.HasSuffix(got, "2 3 4") {
		t.Fatal(got)
	}
	// What is between are deliveries that were under way when the nack came: in order too.
	between := strings.Fields(got)
	if between = between[1 : len(between)-3]; !slices.IsSorted(between) {
		t.Fatal(got)
	}
}

func TestWithoutOrderingANackTouchesNoOtherMessage(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic)
	b.publish(topic, keyed("k", "1", "2", "3")...)
	in := b.receive(name, nackOnce("1"))
	b.backlogIs(name, 0)
	got := strings.Fields(bodiesOf(in.all(), "k"))
	slices.Sort(got)
	equal(t, "deliveries", strings.Join(got, " "), "1 1 2 3")
}
