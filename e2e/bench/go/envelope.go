package main

import (
	"encoding/json"
	"errors"
	"time"

	"cloud.google.com/go/pubsub/v2"
)

const maxBytes = 10 << 20

// event is the envelope, as events/src/event.rs has it.
type event struct {
	EventID        string         `json:"event_id"`
	EventType      string         `json:"event_type"`
	TenantID       string         `json:"tenant_id"`
	OccurredAt     time.Time      `json:"occurred_at"`
	UserID         string         `json:"user_id"`
	CorrelationID  string         `json:"correlation_id"`
	CausationID    string         `json:"causation_id"`
	IdempotencyKey string         `json:"idempotency_key"`
	Source         string         `json:"source"`
	Data           map[string]any `json:"data"`
}

func (e *event) key() string {
	if e.IdempotencyKey != "" {
		return e.IdempotencyKey
	}
	return e.EventType + ":" + e.TenantID + ":" + e.EventID
}

var (
	errTenant = errors.New("the message is not of this worker's tenant")
	errEvent  = errors.New("the message is not an event")
	errType   = errors.New("the event_type attribute is not the event's type")
)

// admit asks what worker/src/guard.rs asks, in the same order: is this message an event of our tenant?
func admit(tenant string, message *pubsub.Message) (*event, error) {
	if message.Attributes["tenant_id"] != tenant {
		return nil, errTenant
	}
	if len(message.Data) > maxBytes {
		return nil, errEvent
	}
	var e event
	if err := json.Unmarshal(message.Data, &e); err != nil {
		return nil, errEvent
	}
	if !validID(e.EventID) || e.EventType == "" || e.OccurredAt.IsZero() || e.Source == "" ||
		!optionalID(e.CorrelationID) || !optionalID(e.CausationID) || !optionalID(e.IdempotencyKey) {
		return nil, errEvent
	}
	if e.TenantID != tenant {
		return nil, errTenant
	}
	if claimed, is := message.Attributes["event_type"]; is && claimed != e.EventType {
		return nil, errType
	}
	return &e, nil
}

func optionalID(text string) bool { return text == "" || validID(text) }

func validID(text string) bool {
	if len(text) < 1 || len(text) > 256 {
		return false
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}
