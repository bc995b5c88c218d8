package clients

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestStreamingPullHandlesABacklogAndWhatComesLater(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic)
	b.publish(topic, numbered(300)...)
	in := b.receive(name, ack)
	in.wait(300)
	b.publish(topic, numbered(100)...)
	in.wait(400)
	b.backlogIs(name, 0)
	equal(t, "deliveries", len(in.all()), 400)
	equal(t, "acked", b.stats(name).Totals.Acked, 400)
}

func TestStreamingPullHoldsNoMoreThanItsFlowControlAllows(t *testing.T) {
	for _, limit := range []struct {
		what   string
		change func(*pubsub.ReceiveSettings)
		least  int
		most   int
	}{
		{"messages", func(s *pubsub.ReceiveSettings) { s.MaxOutstandingMessages = 4 }, 4, 4},
		// The message that crosses the limit is still sent, the next one is not.
		{"bytes", func(s *pubsub.ReceiveSettings) { s.MaxOutstandingBytes = 25_000 }, 2, 3},
	} {
		t.Run(limit.what, func(t *testing.T) {
			b := start(t)
			topic := b.topic()
			name := b.subscription(topic)
			var messages []*pubsub.Message
			for range 20 {
				messages = append(messages, &pubsub.Message{Data: make([]byte, 10_000)})
			}
			b.publish(topic, messages...)
			gate := make(chan bool)
			in := b.receive(name, func(message *pubsub.Message, _ int) { <-gate; message.Ack() }, limit.change)
			in.wait(limit.least)
			for handled := range 10 {
				if held := b.stats(name).Outstanding; held < 1 || held > limit.most {
					t.Errorf("%d are outstanding after %d were handled", held, handled)
				}
				gate <- true
				in.wait(min(limit.least+handled, 20))
			}
			close(gate)
			b.backlogIs(name, 0)
		})
	}
}

func TestANackedMessageComesAgainAfterItsBackoff(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic, func(s *pb.Subscription) {
		s.RetryPolicy = &pb.RetryPolicy{
			MinimumBackoff: durationpb.New(400 * time.Millisecond), MaximumBackoff: durationpb.New(800 * time.Millisecond),
		}
	})
	ids := b.publish(topic, bodies("again")...)
	times := make(chan time.Time, 10)
	in := b.receive(name, func(message *pubsub.Message, count int) {
		times <- time.Now()
		if count == 3 {
			message.Ack()
		} else {
			message.Nack()
		}
	})
	for _, message := range in.wait(3) {
		equal(t, "id", message.ID, ids[0])
	}
	b.backlogIs(name, 0)
	for before := <-times; len(times) > 0; {
		next := <-times
		if gap := next.Sub(before); gap < 400*time.Millisecond {
			t.Fatal(gap)
		}
		before = next
	}
	equal(t, "nacked", b.stats(name).Totals.Nacked, 2)
}

func TestAMessageIsExtendedWhileItsHandlerWorks(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic)
	b.publish(topic, bodies("slow")...)
	// Ten seconds are the shortest lease there is: thirteen need an extension.
	b.receive(name, func(message *pubsub.Message, _ int) { time.Sleep(13 * time.Second); message.Ack() },
		func(s *pubsub.ReceiveSettings) { s.MaxDurationPerAckExtension = 10 * time.Second })
	eventually(t, "the delivery", func() bool { return b.stats(name).Outstanding == 1 })
	b.backlogIs(name, 0)
	totals := b.stats(name).Totals
	equal(t, "delivered", totals.Delivered, 1)
	equal(t, "expired", totals.Expired, 0)
}

func TestWorkersShareASubscriptionAndLoseNothing(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic)
	few := func(s *pubsub.ReceiveSettings) { s.MaxOutstandingMessages = 20 }
	first, second := b.receive(name, nackOnce("007"), few), b.receive(name, nackOnce("008"), few)
	eventually(t, "two streams", func() bool { return b.stats(name).Pullers == 2 })
	ids := map[string]bool{}
	for _, id := range b.publish(topic, numbered(600)...) {
		ids[id] = true
	}
	b.backlogIs(name, 0)
	if len(first.all()) == 0 || len(second.all()) == 0 {
		t.Fatal("one of them got nothing")
	}
	for _, message := range append(first.all(), second.all()...) {
		delete(ids, message.ID)
	}
	equal(t, "messages that never came", len(ids), 0)
	equal(t, "acked", b.stats(name).Totals.Acked, 600)
}

func TestAMissingSubscriptionEndsTheStream(t *testing.T) {
	b := start(t)
	in := b.receive(b.name("subscriptions"), ack)
	select {
	case err := <-in.done:
		refused(t, err, codes.NotFound)
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
}

func TestAStreamThatFailsIsOpenedAgain(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic)
	call(t, "POST", "/emulator/v1/faults", map[string]any{
		"method": "Subscriber.StreamingPull", "resource": name, "code": "UNAVAILABLE", "count": 2,
	}, nil)
	b.publish(topic, bodies("after")...)
	b.receive(name, ack).wait(1)
	b.backlogIs(name, 0)
	var log struct {
		Calls []struct{ Resource, Code string }
	}
	call(t, "GET", "/emulator/v1/calls?method=Subscriber.StreamingPull", nil, &log)
	failed := 0
	for _, call := range log.Calls {
		if call.Resource == name && call.Code == "UNAVAILABLE" {
			failed++
		}
	}
	equal(t, "failed streams", failed, 2)
}

// A worker that is replaced: it gives back what it holds as it stops, and the next one has it before any lease could end.
// This client closes its stream only after its nacks are answered.
func TestWhatIsGivenBackAtAStopGoesToTheNextReceive(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic)
	b.publish(topic, numbered(100)...)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var held atomic.Int64
	done := make(chan error, 1)
	go func() {
		done <- client.Subscriber(name).Receive(ctx, func(_ context.Context, message *pubsub.Message) {
			held.Add(1)
			<-ctx.Done()
			message.Nack()
		})
	}()
	eventually(t, "everything to be held", func() bool { return held.Load() == 100 })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	b.receive(name, ack).wait(100)
	if waited := time.Since(stopped); waited > 8*time.Second {
		t.Errorf("it took %v", waited)
	}
	b.backlogIs(name, 0)
	equal(t, "expired", b.stats(name).Totals.Expired, 0)
}
