package clients

import (
	"bytes"
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	"cloud.google.com/go/pubsub/v2"
	pb "cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

const (
	viewer     = "roles/pubsub.viewer"
	subscriber = "roles/pubsub.subscriber"
	ann        = "user:ann@example.com"
)

func TestAPolicyIsReadWrittenAndGuardedByItsEtag(t *testing.T) {
	for _, kind := range []string{"topic", "subscription", "snapshot"} {
		t.Run(kind, func(t *testing.T) {
			b := start(t)
			resource := b.topic()
			if kind != "topic" {
				resource = b.subscription(resource)
			}
			if kind == "snapshot" {
				resource = b.snapshot(resource).Name
			}
			policies := client.SubscriptionAdminClient
			get := &iampb.GetIamPolicyRequest{Resource: resource}
			write := func(policy *iampb.Policy, role string) (*iampb.Policy, error) {
				policy = proto.CloneOf(policy)
				policy.Bindings = append(policy.Bindings, &iampb.Binding{Role: role, Members: []string{ann}})
				return policies.SetIamPolicy(b.ctx, &iampb.SetIamPolicyRequest{Resource: resource, Policy: policy})
			}
			empty := ok[*iampb.Policy](t)(policies.GetIamPolicy(b.ctx, get))
			if len(empty.Bindings) != 0 || len(empty.Etag) == 0 {
				t.Fatalf("a policy that was never set is %v", empty)
			}
			first := ok[*iampb.Policy](t)(write(empty, viewer))
			if bytes.Equal(first.Etag, empty.Etag) || !proto.Equal(ok[*iampb.Policy](t)(policies.GetIamPolicy(b.ctx, get)), first) {
				t.Fatal(first)
			}
			second := ok[*iampb.Policy](t)(write(first, subscriber))
			equal(t, "bindings", len(second.Bindings), 2)
			_, err := write(first, subscriber)
			refused(t, err, codes.Aborted)
			overwritten := ok[*iampb.Policy](t)(write(&iampb.Policy{}, viewer))
			equal(t, "bindings after a write without etag", len(overwritten.Bindings), 1)
		})
	}
}

func TestAPolicyRefusesWhatIsNoMemberAndWhatIsNotThere(t *testing.T) {
	b := start(t)
	topic, policies := b.topic(), client.TopicAdminClient
	write := func(resource, role, member string) error {
		policy := &iampb.Policy{Bindings: []*iampb.Binding{{Role: role, Members: []string{member}}}}
		_, err := policies.SetIamPolicy(b.ctx, &iampb.SetIamPolicyRequest{Resource: resource, Policy: policy})
		return err
	}
	refused(t, write(topic, viewer, "ann@example.com"), codes.InvalidArgument)
	refused(t, write(topic, "viewer", ann), codes.InvalidArgument)
	missing := b.name("topics")
	refused(t, write(missing, viewer, ann), codes.NotFound)
	asked := []string{"pubsub.topics.publish", "pubsub.topics.get"}
	answer := ok[*iampb.TestIamPermissionsResponse](t)(
		policies.TestIamPermissions(b.ctx, &iampb.TestIamPermissionsRequest{Resource: topic, Permissions: asked}))
	if !slices.Equal(answer.Permissions, asked) {
		t.Fatal(answer)
	}
	_, err := policies.TestIamPermissions(b.ctx, &iampb.TestIamPermissionsRequest{Resource: missing, Permissions: asked})
	refused(t, err, codes.NotFound)
}

// as is an official client whose calls carry a bearer token, which insecure connections cannot do by themselves.
func as(t *testing.T, host, project, principal string) *pubsub.Client {
	t.Helper()
	token := func(ctx context.Context) context.Context {
		return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+principal)
	}
	connection := ok[*grpc.ClientConn](t)(grpc.NewClient(host,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, request, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
			return invoke(token(ctx), method, request, reply, cc, options...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(token(ctx), desc, cc, method, options...)
		}),
	))
	t.Cleanup(func() { _ = connection.Close() })
	return ok[*pubsub.Client](t)(pubsub.NewClient(t.Context(), project, option.WithGRPCConn(connection)))
}

func TestWhereIamIsEnforcedAPrincipalMayDoWhatItsGrantsSayAndNoMore(t *testing.T) {
	host, project := os.Getenv("PUBSUB_EMULATOR_ENFORCING_HOST"), os.Getenv("PUBSUB_EMULATOR_ENFORCING_PROJECT")
	if host == "" {
		t.Skip("needs PUBSUB_EMULATOR_ENFORCING_HOST, an emulator with --iam enforce: run ../run.sh")
	}
	b := start(t)
	b.project = project
	b.names.Store(time.Now().UnixNano())
	const account = "serviceAccount:worker@example.com"
	owner, worker := as(t, host, project, "user:owner@example.com"), as(t, host, project, account)
	topic, name := b.name("topics"), b.name("subscriptions")
	_, err := worker.TopicAdminClient.CreateTopic(b.ctx, &pb.Topic{Name: topic})
	refused(t, err, codes.PermissionDenied)
	ok[*pb.Topic](t)(owner.TopicAdminClient.CreateTopic(b.ctx, &pb.Topic{Name: topic}))
	ok[*pb.Subscription](t)(owner.SubscriptionAdminClient.CreateSubscription(b.ctx, &pb.Subscription{Name: name, Topic: topic}))
	publish := func(by *pubsub.Client, text string) error {
		publisher := by.Publisher(topic)
		defer publisher.Stop()
		_, err := publisher.Publish(b.ctx, &pubsub.Message{Data: []byte(text)}).Get(b.ctx)
		return err
	}
	refused(t, publish(worker, "not allowed"), codes.PermissionDenied)
	received, done := make(chan string, 10), make(chan error, 1)
	receive := func() {
		done <- worker.Subscriber(name).Receive(b.ctx, func(_ context.Context, message *pubsub.Message) {
			received <- string(message.Data)
			message.Ack()
		})
	}
	go receive()
	refused(t, <-done, codes.PermissionDenied)

	policies := owner.SubscriptionAdminClient
	policy := ok[*iampb.Policy](t)(policies.GetIamPolicy(b.ctx, &iampb.GetIamPolicyRequest{Resource: name}))
	policy.Bindings = []*iampb.Binding{{Role: subscriber, Members: []string{account}}}
	granted := ok[*iampb.Policy](t)(policies.SetIamPolicy(b.ctx, &iampb.SetIamPolicyRequest{Resource: name, Policy: policy}))
	asked := &iampb.TestIamPermissionsRequest{
		Resource: name, Permissions: []string{"pubsub.subscriptions.consume", "pubsub.subscriptions.delete"},
	}
	tested := ok[*iampb.TestIamPermissionsResponse](t)(worker.SubscriptionAdminClient.TestIamPermissions(b.ctx, asked))
	if !slices.Equal(tested.Permissions, asked.Permissions[:1]) {
		t.Fatal(tested)
	}
	// A stream works with the grant and ends with it.
	go receive()
	if err := publish(owner, "1"); err != nil {
		t.Fatal(err)
	}
	equal(t, "received", <-received, "1")
	granted.Bindings = nil
	ok[*iampb.Policy](t)(policies.SetIamPolicy(b.ctx, &iampb.SetIamPolicyRequest{Resource: name, Policy: granted}))
	if err := publish(owner, "2"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		refused(t, err, codes.PermissionDenied)
	case <-time.After(patience):
		t.Fatal("the stream goes on without its grant")
	}
	equal(t, "messages received without the grant", len(received), 0)
}
