// The worker that a careful team writes in Go: Google's v2 client, the same job as the event worker.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"cloud.google.com/go/pubsub/v2"
)

// settings are the variables of the event worker, those that a benchmark needs.
type settings struct {
	project, tenant, subscription, idempotencyURL string
	outstanding                                   int
}

func fromEnvironment() (settings, error) {
	s := settings{
		project:        os.Getenv("GCP_PROJECT_ID"),
		tenant:         os.Getenv("TENANT_ID"),
		subscription:   os.Getenv("SUBSCRIPTIONS"),
		idempotencyURL: os.Getenv("IDEMPOTENCY_URL"),
		outstanding:    1000,
	}
	if s.project == "" || s.tenant == "" || s.subscription == "" {
		return s, errors.New("GCP_PROJECT_ID, TENANT_ID and SUBSCRIPTIONS must be set")
	}
	if s.idempotencyURL == "" {
		s.idempotencyURL = "memory:"
	}
	if text := os.Getenv("MAX_OUTSTANDING_MESSAGES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return s, fmt.Errorf("MAX_OUTSTANDING_MESSAGES: %q is not a positive number", text)
		}
		s.outstanding = n
	}
	return s, nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	s, err := fromEnvironment()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	var store store = newMemoryStore()
	if strings.HasPrefix(s.idempotencyURL, "redis") {
		if store, err = newRedisStore(s.idempotencyURL, s.tenant); err != nil {
			return err
		}
	}
	client, err := pubsub.NewClient(ctx, s.project)
	if err != nil {
		return err
	}
	defer client.Close()
	subscriber := client.Subscriber(s.subscription)
	subscriber.ReceiveSettings.MaxOutstandingMessages = s.outstanding
	subscriber.ReceiveSettings.MaxOutstandingBytes = 100 << 20
	// Handlers that run are waited for; what was not begun is given back.
	return subscriber.Receive(ctx, func(_ context.Context, message *pubsub.Message) {
		if process(store, s.tenant, message) {
			message.Ack()
		} else {
			message.Nack()
		}
	})
}

// handle is the handler: nothing to do.
func handle(context.Context, *event) error { return nil }

// process takes one message through guard, claim, handler and note. Whether it is done with for good.
func process(store store, tenant string, message *pubsub.Message) bool {
	event, err := admit(tenant, message)
	if err != nil {
		return false
	}
	// A stop lets running handlers finish, so this is not the context of Receive.
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	key := event.key()
	for {
		switch claim, err := store.claim(ctx, key); {
		case err != nil:
			return false
		case claim == done:
			return true
		case claim == inFlight:
			time.Sleep(100 * time.Millisecond)
			continue
		}
		if err := handle(ctx, event); err != nil {
			_ = store.release(ctx, key)
			return false
		}
		return store.finish(ctx, key) == nil
	}
}
