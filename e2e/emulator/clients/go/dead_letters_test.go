package clients

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"testing"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
)

const origin = "CloudPubSubDeadLetterSource"

// letters is a subscription with a dead-letter topic, and a subscription on that.
type letters struct {
	*bench
	topic, name, deadTopic, dead string
	agent                        string
}

func startLetters(t *testing.T) *letters {
	b := start(t)
	hash := fnv.New32()
	_, _ = hash.Write([]byte(b.project))
	// Each project has a number of its own, as its service agent must exist.
	number := strconv.Itoa(100_000_000_000 + int(hash.Sum32()))
	call(t, "PUT", "/emulator/v1/projects/"+b.project, map[string]string{"projectNumber": number}, nil)
	l := &letters{bench: b, topic: b.topic(), deadTopic: b.topic()}
	l.agent = "serviceAccount:service-" + number + "@gcp-sa-pubsub.iam.gserviceaccount.com"
	l.dead = b.subscription(l.deadTopic, func(s *pb.Subscription) { s.Filter = `attributes.tenant_id = "tenant-1"` })
	l.name = b.subscription(l.topic, func(s *pb.Subscription) {
		s.DeadLetterPolicy = &pb.DeadLetterPolicy{DeadLetterTopic: l.deadTopic, MaxDeliveryAttempts: 5}
	})
	return l
}

func (l *letters) grant(resource, role string) {
	l.Helper()
	policies := client.TopicAdminClient
	policy := ok[*iampb.Policy](l.T)(policies.GetIamPolicy(l.ctx, &iampb.GetIamPolicyRequest{Resource: resource}))
	policy.Bindings = append(policy.Bindings, &iampb.Binding{Role: role, Members: []string{l.agent}})
	ok[*iampb.Policy](l.T)(policies.SetIamPolicy(l.ctx, &iampb.SetIamPolicyRequest{Resource: resource, Policy: policy}))
}

func (l *letters) grantPublisher()  { l.grant(l.deadTopic, "roles/pubsub.publisher") }
func (l *letters) grantSubscriber() { l.grant(l.name, "roles/pubsub.subscriber") }

func poison() *pubsub.Message {
	return &pubsub.Message{Data: []byte("poison"), Attributes: map[string]string{"tenant_id": "tenant-1", "other": "kept"}}
}

func TestNothingIsForwardedWhileAGrantIsMissingAndThenItIs(t *testing.T) {
	for _, granted := range []string{"none", "publisher", "subscriber"} {
		t.Run(granted, func(t *testing.T) {
			l := startLetters(t)
			switch granted {
			case "publisher":
				l.grantPublisher()
			case "subscriber":
				l.grantSubscriber()
			}
			ids := l.publish(l.topic, poison())
			in := l.receive(l.name, nack)
			for i, message := range in.wait(9)[:9] {
				equal(t, "attempt", *message.DeliveryAttempt, i+1)
			}
			equal(t, "dead letters", l.stats(l.dead).Backlog, 0)
			equal(t, "backlog", l.stats(l.name).Backlog, 1)
			if granted != "publisher" {
				l.grantPublisher()
			}
			if granted != "subscriber" {
				l.grantSubscriber()
			}
			l.backlogIs(l.dead, 1)
			l.backlogIs(l.name, 0)
			dead := l.pull(l.dead, 1)[0].Message
			if dead.MessageId == ids[0] {
				t.Error("a dead letter is a new message")
			}
			equal(t, "data", string(dead.Data), "poison")
			for key, expected := range map[string]string{
				"tenant_id": "tenant-1", "other": "kept",
				origin + "Subscription":        l.name[len("projects/")+len(l.project)+len("/subscriptions/"):],
				origin + "SubscriptionProject": l.project,
				origin + "DeliveryCount":       fmt.Sprint(len(in.all())),
			} {
				equal(t, key, dead.Attributes[key], expected)
			}
			if dead.Attributes[origin+"TopicPublishTime"] == "" || len(dead.Attributes) != 6 {
				t.Error(dead.Attributes)
			}
		})
	}
}

func TestADeadLetterArrivesAfterExactlyItsAttempts(t *testing.T) {
	l := startLetters(t)
	l.grantPublisher()
	l.grantSubscriber()
	equal(t, "forwards", l.stats(l.name).Forwards, true)
	l.publish(l.topic, append(bodies("good"), poison())...)
	in := l.receive(l.name, func(message *pubsub.Message, _ int) {
		if string(message.Data) == "poison" {
			message.Nack()
		} else {
			message.Ack()
		}
	})
	l.backlogIs(l.dead, 1)
	l.backlogIs(l.name, 0)
	equal(t, "deliveries", len(in.all()), 6)
	equal(t, "count", l.pull(l.dead, 1)[0].Message.Attributes[origin+"DeliveryCount"], "5")
	equal(t, "total", l.stats(l.name).Totals.DeadLettered, 1)
}
