package clients

import (
	"testing"
	"time"

	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// ago is so many minutes before now.
func ago(minutes int) *timestamppb.Timestamp {
	return timestamppb.New(time.Now().Add(-time.Duration(minutes) * time.Minute))
}

func (b *bench) seek(name string, time *timestamppb.Timestamp) {
	b.Helper()
	request := &pb.SeekRequest{Subscription: name, Target: &pb.SeekRequest_Time{Time: time}}
	ok[*pb.SeekResponse](b.T)(client.SubscriptionAdminClient.Seek(b.ctx, request))
}

func (b *bench) seekTo(name, snapshot string) error {
	request := &pb.SeekRequest{Subscription: name, Target: &pb.SeekRequest_Snapshot{Snapshot: snapshot}}
	_, err := client.SubscriptionAdminClient.Seek(b.ctx, request)
	return err
}

func (b *bench) snapshot(name string) *pb.Snapshot {
	b.Helper()
	request := &pb.CreateSnapshotRequest{Name: b.name("snapshots"), Subscription: name}
	return ok[*pb.Snapshot](b.T)(client.SubscriptionAdminClient.CreateSnapshot(b.ctx, request))
}

func TestASeekByTimeGoesBackAndForth(t *testing.T) {
	b := start(t)
	topic := b.topic()
	keeps := b.subscription(topic, func(s *pb.Subscription) { s.RetainAckedMessages = true })
	drops := b.subscription(topic)
	b.publish(topic, bodies("1", "2")...)
	var cut time.Time
	for _, message := range b.drain(keeps, 2) {
		if at := message.Message.PublishTime.AsTime(); at.After(cut) {
			cut = at
		}
	}
	b.drain(drops, 2)
	b.publish(topic, bodies("3")...)
	b.drain(keeps, 1)
	b.drain(drops, 1)
	for _, name := range []string{keeps, drops} {
		b.seek(name, timestamppb.New(cut.Add(time.Microsecond)))
	}
	equal(t, "backlog of what retains nothing", b.stats(drops).Backlog, 0)
	equal(t, "since the cut", sorted(b.pull(keeps, 1)), "3")
	b.seek(keeps, ago(60))
	equal(t, "since an hour", sorted(b.pull(keeps, 3)), "1 2 3")
	b.seek(keeps, ago(-1))
	equal(t, "backlog after a seek to the future", b.stats(keeps).Backlog, 0)
	b.publish(topic, bodies("new")...)
	equal(t, "what comes after it", sorted(b.pull(keeps, 1)), "new")
}

func TestATopicThatRetainsGivesANewSubscriptionItsPast(t *testing.T) {
	b := start(t)
	request := &pb.Topic{Name: b.name("topics"), MessageRetentionDuration: durationpb.New(time.Hour)}
	topic := ok[*pb.Topic](t)(client.TopicAdminClient.CreateTopic(b.ctx, request)).Name
	b.publish(topic, append(bodies("theirs"), poison())...)
	name := b.subscription(topic, func(s *pb.Subscription) { s.Filter = `attributes.tenant_id = "tenant-1"` })
	equal(t, "backlog", b.stats(name).Backlog, 0)
	b.seek(name, ago(60))
	equal(t, "backlog after the seek", b.stats(name).Backlog, 1)
	equal(t, "message", sorted(b.pull(name, 1)), "poison")
}

func TestASeekToASnapshotRestoresWhatWasUnacknowledgedThen(t *testing.T) {
	b := start(t)
	topic := b.topic()
	name := b.subscription(topic)
	b.publish(topic, bodies("acked-before")...)
	b.drain(name, 1)
	b.publish(topic, bodies("unacked-then")...)
	snapshot := b.snapshot(name)
	equal(t, "topic", snapshot.Topic, topic)
	if life := time.Until(snapshot.ExpireTime.AsTime()); life < 6*day || life > 8*day {
		t.Fatal(life)
	}
	b.publish(topic, bodies("published-since")...)
	b.drain(name, 2)
	other := b.subscription(topic)
	for _, name := range []string{name, other} {
		equal(t, "backlog", b.stats(name).Backlog, 0)
		if err := b.seekTo(name, snapshot.Name); err != nil {
			t.Fatal(err)
		}
		equal(t, "messages", sorted(b.drain(name, 2)), "published-since unacked-then")
	}

	foreign := b.snapshot(b.subscription(b.topic()))
	// SeekRequest.snapshot: "The snapshot's topic must be the same as that of the provided subscription."
	if code := status.Code(b.seekTo(name, foreign.Name)); code != codes.FailedPrecondition && code != codes.InvalidArgument {
		t.Fatal(code)
	}
	remove := &pb.DeleteSnapshotRequest{Snapshot: snapshot.Name}
	if err := client.SubscriptionAdminClient.DeleteSnapshot(b.ctx, remove); err != nil {
		t.Fatal(err)
	}
	refused(t, b.seekTo(name, snapshot.Name), codes.NotFound)
}
