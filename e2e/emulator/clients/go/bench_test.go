// Package clients drives the emulator with Google's official Go client.
package clients

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// How long a condition may take to come true.
const patience = 15 * time.Second

var (
	host   = os.Getenv("PUBSUB_EMULATOR_HOST")
	client *pubsub.Client
)

func TestMain(m *testing.M) {
	if host == "" {
		fmt.Fprintln(os.Stderr, "PUBSUB_EMULATOR_HOST is missing: host:port of the emulator; ../run.sh sets it")
		os.Exit(2)
	}
	var err error
	if client, err = pubsub.NewClient(context.Background(), "clients-go"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = client.Close()
	os.Exit(code)
}

// eventually waits for a condition, and fails after a while.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// ok fails the test on an error.
func ok[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// refused fails the test unless the error has the code; it returns the message.
func refused(t *testing.T, err error, code codes.Code) string {
	t.Helper()
	if status.Code(err) != code {
		t.Fatalf("expected %v, got %v", code, err)
	}
	return status.Convert(err).Message()
}

// equal fails the test unless both are the same.
func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// call uses the emulator's own API, which the service does not have (see e2e/emulator/README.md).
func call(t *testing.T, verb, path string, body, answer any) {
	t.Helper()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(ok[[]byte](t)(json.Marshal(body)))
	}
	request := ok[*http.Request](t)(http.NewRequest(verb, "http://"+host+path, reader))
	request.Header.Set("content-type", "application/json")
	response := ok[*http.Response](t)(http.DefaultClient.Do(request))
	defer response.Body.Close()
	text := ok[[]byte](t)(io.ReadAll(response.Body))
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s", verb, path, response.Status, text)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			t.Fatal(err)
		}
	}
}

type stats struct {
	Name        string
	Backlog     int
	Outstanding int
	Pullers     int
	Forwards    bool `json:"forwardsDeadLetters"`
	Totals      struct {
		Delivered    int
		Acked        int
		Nacked       int
		Expired      int
		DeadLettered int `json:"deadLettered"`
	}
}

// bench is one test's topics and subscriptions, in a project of its own.
type bench struct {
	*testing.T
	ctx     context.Context
	project string
	names   atomic.Int64
}

func start(t *testing.T) *bench {
	t.Parallel()
	return &bench{T: t, ctx: t.Context(), project: fmt.Sprintf("clients-go-%012x", rand.Int64N(1<<48))}
}

func (b *bench) name(collection string) string {
	return fmt.Sprintf("projects/%s/%s/n-%d", b.project, collection, b.names.Add(1))
}

func (b *bench) topic() string {
	b.Helper()
	made := ok[*pb.Topic](b.T)(client.TopicAdminClient.CreateTopic(b.ctx, &pb.Topic{Name: b.name("topics")}))
	return made.Name
}

func (b *bench) subscription(topic string, change ...func(*pb.Subscription)) string {
	b.Helper()
	request := &pb.Subscription{Name: b.name("subscriptions"), Topic: topic}
	for _, change := range change {
		change(request)
	}
	return ok[*pb.Subscription](b.T)(client.SubscriptionAdminClient.CreateSubscription(b.ctx, request)).Name
}

func (b *bench) stats(subscription string) stats {
	b.Helper()
	var all struct{ Subscriptions []stats }
	call(b.T, "GET", "/emulator/v1/subscriptions", nil, &all)
	at := slices.IndexFunc(all.Subscriptions, func(s stats) bool { return s.Name == subscription })
	if at < 0 {
		b.Fatalf("the emulator knows no %s", subscription)
	}
	return all.Subscriptions[at]
}

func (b *bench) backlogIs(subscription string, expected int) {
	b.Helper()
	eventually(b.T, fmt.Sprintf("a backlog of %d in %s", expected, subscription), func() bool {
		return b.stats(subscription).Backlog == expected
	})
}

// publish publishes messages in order, and returns their ids.
func (b *bench) publish(topic string, messages ...*pubsub.Message) []string {
	b.Helper()
	publisher := client.Publisher(topic)
	publisher.EnableMessageOrdering = true
	publisher.PublishSettings.DelayThreshold = time.Millisecond
	defer publisher.Stop()
	var results []*pubsub.PublishResult
	for _, message := range messages {
		results = append(results, publisher.Publish(b.ctx, message))
	}
	var ids []string
	for _, result := range results {
		ids = append(ids, ok[string](b.T)(result.Get(b.ctx)))
	}
	return ids
}

func bodies(texts ...string) (messages []*pubsub.Message) {
	for _, text := range texts {
		messages = append(messages, &pubsub.Message{Data: []byte(text)})
	}
	return messages
}

func numbered(n int) (messages []*pubsub.Message) {
	for i := range n {
		messages = append(messages, &pubsub.Message{Data: fmt.Appendf(nil, "%03d", i)})
	}
	return messages
}

// pull pulls that many messages, over as many calls as it takes.
func (b *bench) pull(subscription string, count int) (got []*pb.ReceivedMessage) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for len(got) < count {
		request := &pb.PullRequest{Subscription: subscription, MaxMessages: int32(count - len(got))}
		response, err := client.SubscriptionAdminClient.Pull(ctx, request)
		if err != nil {
			b.Fatalf("got %d of %d messages: %v", len(got), count, err)
		}
		got = append(got, response.ReceivedMessages...)
	}
	return got
}

func (b *bench) ack(subscription string, messages ...*pb.ReceivedMessage) error {
	request := &pb.AcknowledgeRequest{Subscription: subscription}
	for _, message := range messages {
		request.AckIds = append(request.AckIds, message.AckId)
	}
	return client.SubscriptionAdminClient.Acknowledge(b.ctx, request)
}

// drain pulls and acks everything there is.
func (b *bench) drain(subscription string, count int) []*pb.ReceivedMessage {
	b.Helper()
	got := b.pull(subscription, count)
	if err := b.ack(subscription, got...); err != nil {
		b.Fatal(err)
	}
	b.backlogIs(subscription, 0)
	return got
}

// inbox collects what a streaming pull brings.
type inbox struct {
	b        *bench
	mutex    sync.Mutex
	messages []*pubsub.Message
	times    map[string]int
	done     chan error
}

// receive starts a streaming pull that ends with the test. decide acks or nacks; it is told how often the message came.
func (b *bench) receive(
	subscription string, decide func(*pubsub.Message, int), change ...func(*pubsub.ReceiveSettings),
) *inbox {
	in := &inbox{b: b, times: map[string]int{}, done: make(chan error, 1)}
	subscriber := client.Subscriber(subscription)
	subscriber.ReceiveSettings.ShutdownOptions = &pubsub.ShutdownOptions{
		Behavior: pubsub.ShutdownBehaviorNackImmediately, Timeout: time.Second,
	}
	for _, change := range change {
		change(&subscriber.ReceiveSettings)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		in.done <- subscriber.Receive(ctx, func(_ context.Context, message *pubsub.Message) {
			in.mutex.Lock()
			in.messages = append(in.messages, message)
			in.times[message.ID]++
			times := in.times[message.ID]
			in.mutex.Unlock()
			decide(message, times)
		})
	}()
	b.Cleanup(cancel)
	return in
}

func ack(message *pubsub.Message, _ int)  { message.Ack() }
func nack(message *pubsub.Message, _ int) { message.Nack() }

// nackOnce refuses the first delivery of that body, and takes everything else.
func nackOnce(body string) func(*pubsub.Message, int) {
	return func(message *pubsub.Message, times int) {
		if string(message.Data) == body && times == 1 {
			message.Nack()
		} else {
			message.Ack()
		}
	}
}

func (in *inbox) all() []*pubsub.Message {
	in.mutex.Lock()
	defer in.mutex.Unlock()
	return slices.Clone(in.messages)
}

func (in *inbox) wait(count int) []*pubsub.Message {
	in.b.Helper()
	eventually(in.b.T, fmt.Sprintf("%d messages", count), func() bool { return len(in.all()) >= count })
	return in.all()
}

// bodiesOf joins the bodies of the messages with that ordering key.
func bodiesOf(messages []*pubsub.Message, key string) string {
	var texts []string
	for _, message := range messages {
		if message.OrderingKey == key {
			texts = append(texts, string(message.Data))
		}
	}
	return strings.Join(texts, " ")
}

// sorted joins the bodies of pulled messages in alphabetical order.
func sorted(messages []*pb.ReceivedMessage) string {
	var texts []string
	for _, message := range messages {
		texts = append(texts, string(message.Message.Data))
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}
