package main

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"strconv"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

type claim int

const (
	claimed claim = iota
	inFlight
	done
)

const (
	claimFor   = time.Hour + time.Minute
	doneFor    = 24 * time.Hour
	remembered = 1_000_000
)

// store remembers which events are being handled and which have been.
type store interface {
	claim(ctx context.Context, key string) (claim, error)
	finish(ctx context.Context, key string) error
	release(ctx context.Context, key string) error
}

// memoryStore is in this process, bounded in time and number. It has shards, so that handlers do not queue for a lock.
type memoryStore struct {
	seed   maphash.Seed
	shards [64]shard
}

type shard struct {
	sync.Mutex
	entries map[string]entry
	ends    []string
	_       [64]byte // shards do not share a cache line
}

type entry struct {
	done  bool
	until time.Time
}

func newMemoryStore() *memoryStore {
	s := &memoryStore{seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].entries = map[string]entry{}
	}
	return s
}

func (s *memoryStore) shard(key string) *shard {
	return &s.shards[maphash.String(s.seed, key)%uint64(len(s.shards))]
}

func (s *memoryStore) claim(_ context.Context, key string) (claim, error) {
	now, shard := time.Now(), s.shard(key)
	shard.Lock()
	defer shard.Unlock()
	if e, is := shard.entries[key]; is && e.until.After(now) {
		if e.done {
			return done, nil
		}
		return inFlight, nil
	}
	shard.entries[key] = entry{until: now.Add(claimFor)}
	return claimed, nil
}

func (s *memoryStore) finish(_ context.Context, key string) error {
	now, shard := time.Now(), s.shard(key)
	shard.Lock()
	defer shard.Unlock()
	shard.entries[key] = entry{done: true, until: now.Add(doneFor)}
	shard.ends = append(shard.ends, key)
	if len(shard.ends) > remembered/len(s.shards) {
		delete(shard.entries, shard.ends[0])
		shard.ends = shard.ends[1:]
	}
	return nil
}

func (s *memoryStore) release(_ context.Context, key string) error {
	shard := s.shard(key)
	shard.Lock()
	defer shard.Unlock()
	delete(shard.entries, key)
	return nil
}

// redisStore claims with SET NX PX and a token; an end is noted only while the claim is ours. The client puts the
// commands of concurrent handlers into one pipeline.
type redisStore struct {
	client        rueidis.Client
	prefix, token string
}

var (
	finishScript = rueidis.NewLuaScript(
		`if redis.call('GET',KEYS[1])==ARGV[1] then redis.call('SET',KEYS[1],'done','PX',ARGV[2]) return 1 end return 0`)
	releaseScript = rueidis.NewLuaScript(
		`if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end return 0`)
)

func newRedisStore(url, tenant string) (*redisStore, error) {
	options, err := rueidis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	options.DisableCache = true
	client, err := rueidis.NewClient(options)
	if err != nil {
		return nil, err
	}
	return &redisStore{client: client, prefix: "event-worker:" + tenant + ":", token: rand.Text()}, nil
}

func (s *redisStore) claim(ctx context.Context, key string) (claim, error) {
	// GET tells what was there: with NX it answers nothing when the key was set.
	command := s.client.B().Set().Key(s.prefix + key).Value(s.token).Nx().Get().Px(claimFor).Build()
	before, err := s.client.Do(ctx, command).ToString()
	switch {
	case rueidis.IsRedisNil(err):
		return claimed, nil
	case err != nil:
		return inFlight, err
	case before == "done":
		return done, nil
	}
	return inFlight, nil
}

func (s *redisStore) finish(ctx context.Context, key string) error {
	milliseconds := doneFor.Milliseconds()
	return finishScript.Exec(ctx, s.client, []string{s.prefix + key}, []string{s.token, strconv.FormatInt(milliseconds, 10)}).Error()
}

func (s *redisStore) release(ctx context.Context, key string) error {
	return releaseScript.Exec(ctx, s.client, []string{s.prefix + key}, []string{s.token}).Error()
}
