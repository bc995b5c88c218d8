package clients

import (
	"sync"
	"testing"

	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/googleapis/gax-go/v2/apierror"
)

func exactlyOnce(s *pb.Subscription) { s.EnableExactlyOnceDelivery = true }

// results collects the answers to acks.
type results struct {
	sync.Mutex
	all []*pubsub.AckResult
}

func (r *results) add(result *pubsub.AckResult) {
	r.Lock()
	defer r.Unlock()
	r.all = append(r.all, result)
}

func (b *bench) answers(r *results) (statuses []pubsub.AcknowledgeStatus) {
	b.Helper()
	r.Lock()
	defer r.Unlock()
	for _, result := range r.all {
		status, _ := result.Get(b.ctx)
		statuses = append(statuses, status)
	}
	return statuses
}

func TestAnAckIsConfirmed(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic, exactlyOnce)
	b.publish(topic, numbered(20)...)
	var r results
	in := b.receive(name, func(message *pubsub.Message, _ int) { r.add(message.AckWithResult()) })
	b.backlogIs(name, 0)
	for _, status := range b.answers(&r) {
		equal(t, "status", status, pubsub.AcknowledgeStatusSuccess)
	}
	equal(t, "deliveries", len(in.all()), 20)
}

func TestAnAckIdWhoseLeaseWasTakenBackIsRefused(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic, exactlyOnce)
	b.publish(topic, bodies("once")...)
	var r results
	b.receive(name, func(message *pubsub.Message, times int) {
		if times == 1 {
			// The client hides ack ids; the emulator takes back the leases of everybody that holds one.
			request := &pb.SeekRequest{Subscription: name, Target: &pb.SeekRequest_Time{Time: ago(-1)}}
			if _, err := client.SubscriptionAdminClient.Seek(b.ctx, request); err != nil {
				b.Error(err)
			}
		}
		r.add(message.AckWithResult())
	})
	eventually(t, "the ack", func() bool { r.Lock(); defer r.Unlock(); return len(r.all) == 1 })
	equal(t, "status of an ack that came too late", b.answers(&r)[0], pubsub.AcknowledgeStatusInvalidAckID)
	equal(t, "acked", b.stats(name).Totals.Acked, 0)
}

func TestANackIsConfirmedAndBringsTheMessageAgain(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic, exactlyOnce)
	b.publish(topic, bodies("again")...)
	var r results
	in := b.receive(name, func(message *pubsub.Message, times int) {
		if times == 1 {
			r.add(message.NackWithResult())
		} else {
			r.add(message.AckWithResult())
		}
	})
	in.wait(2)
	b.backlogIs(name, 0)
	for _, status := range b.answers(&r) {
		equal(t, "status", status, pubsub.AcknowledgeStatusSuccess)
	}
}

func TestAnExpiredAckIdIsRefusedAndNamed(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic, exactlyOnce)
	b.publish(topic, bodies("expires")...)
	first := b.pull(name, 1)[0]
	second := b.pull(name, 1)[0] // comes when the ten seconds of the first are over
	equal(t, "message", second.Message.MessageId, first.Message.MessageId)
	err := b.ack(name, first)
	var failure *apierror.APIError
	failure, isAPIError := apierror.FromError(err)
	if !isAPIError {
		t.Fatal(err)
	}
	equal(t, "reason", failure.Reason(), "EXACTLY_ONCE_ACKID_FAILURE")
	equal(t, "failure of the id", failure.Metadata()[first.AckId], "PERMANENT_FAILURE_INVALID_ACK_ID")
	if err := b.ack(name, second); err != nil {
		t.Fatal(err)
	}
	b.backlogIs(name, 0)
}
