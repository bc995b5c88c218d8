//! The pipeline with real parts and a lease that remembers: what handlers see, what Pub/Sub is told, on a paused clock.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use event_worker::{
    Alone, Event, Handler, HandlerOptions, Outcome, Unavailable, UnknownVersion,
    drain::Drain,
    health::Health,
    limits::Limits,
    message::{Delivery, Lease, Message, NotConfirmed},
    metrics::Metrics,
    once::{Claim, End, IdempotencyStore, Identity, MemoryStore, Noted, StoreError, Token},
    process::{Pipeline, process},
    redelivery::Redeliveries,
    registry::Registry,
    trace::Traces,
};
use events::{Digest, DomainEvent, EventFactory, EventType, TenantId};
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::Instant};

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Ack,
    Nack,
}

struct Remembers(Option<oneshot::Sender<Told>>);

#[async_trait]
impl Lease for Remembers {
    async fn ack(mut self: Box<Self>) -> Result<(), NotConfirmed> {
        self.0.take().unwrap().send(Told::Ack).unwrap();
        Ok(())
    }
    fn nack(mut self: Box<Self>) {
        self.0.take().unwrap().send(Told::Nack).unwrap();
    }
}

/// A store that can be away.
#[derive(Debug, Default)]
struct Flaky {
    inner: MemoryStore,
    away: AtomicBool,
}

impl Flaky {
    fn up(&self) -> Result<(), StoreError> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(StoreError("away".to_owned())),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl IdempotencyStore for Flaky {
    async fn claim(&self, event: &Identity<'_>, token: Token, expiry: Duration) -> Result<Claim, StoreError> {
        self.up()?;
        self.inner.claim(event, token, expiry).await
    }
    async fn extend(
        &self,
        event: &Identity<'_>,
        token: Token,
        expiry: Duration,
    ) -> Result<Noted, StoreError> {
        self.up()?;
        self.inner.extend(event, token, expiry).await
    }
    async fn finish(&self, event: &Identity<'_>, token: Token, end: End) -> Result<Noted, StoreError> {
        self.up()?;
        self.inner.finish(event, token, end).await
    }
    async fn release(&self, event: &Identity<'_>, token: Token) -> Result<(), StoreError> {
        self.up()?;
        self.inner.release(event, token).await
    }
    async fn forget(&self, event: &Identity<'_>) -> Result<(), StoreError> {
        self.up()?;
        self.inner.forget(event).await
    }
}

/// As the pipeline names it to its store.
fn identity<'a>(event: &'a DomainEvent, key: &'a str) -> Identity<'a> {
    Identity {
        event_type: event.event_type.as_str(),
        key,
        digest: Digest::of(&event.data),
        message_id: event.event_id.as_str(),
        handler_version: "",
    }
}

struct Bench {
    pipeline: Arc<Pipeline>,
    store: Arc<Flaky>,
    calls: Arc<AtomicUsize>,
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn event() -> DomainEvent {
    let event_type = EventType::parse("document.ingested").unwrap();
    EventFactory::new("test").create(&tenant("tenant-123"), event_type, serde_json::Map::new())
}

fn message(event: &DomainEvent) -> Message {
    Message {
        subscription: "projects/acme-events/subscriptions/sub-1".parse().unwrap(),
        // Pub/Sub has a new one for each message.
        message_id: event.event_id.to_string(),
        data: event.encode().unwrap().into(),
        attributes: event
            .attributes()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<HashMap<_, _>>(),
        published_at: None,
        ordering_key: String::new(),
        in_order: false,
        superseded: false,
        delivery_attempt: Some(1),
        max_delivery_attempts: None,
    }
}

impl Bench {
    fn new(handler: impl Handler) -> Self {
        Self::with(|registry| registry.otherwise(Arc::new(handler)))
    }

    /// Two handlers at a time, and two minutes for each.
    fn with(register: impl FnOnce(&mut Registry)) -> Self {
        let store = Arc::new(Flaky::default());
        let mut registry = Registry::default();
        register(&mut registry);
        let pipeline = Pipeline {
            envelope: event_worker::Envelope::Domain,
            tenant: tenant("tenant-123"),
            registry,
            handler_version: "".into(),
            redeliveries: Redeliveries::default(),
            store: Arc::<Flaky>::clone(&store),
            limits: Limits::new(2),
            metrics: Arc::new(Metrics::new().unwrap()),
            traces: Traces::default(),
            health: Health::default(),
            drain: Drain::new(Duration::from_secs(25)),
            timeout: Duration::from_mins(2),
            lease: Duration::from_mins(1),
            unknown_version: UnknownVersion::Ack,
        };
        Self {
            pipeline: Arc::new(pipeline),
            store,
            calls: Arc::default(),
        }
    }

    /// A handler that answers with these outcomes in turn, the last one for ever.
    fn scripted(outcomes: Vec<Outcome>) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let mut bench = Self::new(move |_: Event| {
            let call = counter.fetch_add(1, Ordering::SeqCst);
            let outcome = outcomes.get(call).or_else(|| outcomes.last()).cloned().unwrap();
            async move { outcome }
        });
        bench.calls = calls;
        bench
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Starts a delivery, and returns what Pub/Sub will be told.
    fn start(&self, message: Message) -> oneshot::Receiver<Told> {
        let (sender, told) = oneshot::channel();
        let pipeline = Arc::clone(&self.pipeline);
        let lease: Box<dyn Lease> = Box::new(Remembers(Some(sender)));
        self.pipeline.drain.deliveries.spawn(async move {
            // As the pull does it.
            let admitted = pipeline.drain.unless_stopping(pipeline.limits.slot()).await;
            let Some(slot) = admitted else {
                return lease.nack();
            };
            process(&pipeline, Delivery { message, lease }, slot).await;
        });
        told
    }

    async fn deliver(&self, message: Message) -> Told {
        self.start(message).await.unwrap()
    }

    fn count(&self, outcome: &str) -> u64 {
        let processed = &self.pipeline.metrics.processed;
        processed.with_label_values(&["document.ingested", outcome]).get()
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_takes_effect_once_however_often_it_comes() {
    let bench = Bench::scripted(vec![Outcome::Success]);
    let event = event();
    for _ in 0..3 {
        assert_eq!(bench.deliver(message(&event)).await, Told::Ack);
    }
    assert_eq!(bench.calls(), 1);
    assert_eq!(bench.pipeline.metrics.duplicates.get(), 2);
    assert_eq!(bench.count("success"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_waits_for_the_first_and_takes_no_slot() {
    let bench = Bench::new(|_: Event| tokio::time::sleep(Duration::from_secs(90)));
    let event = event();
    let [first, second] = [bench.start(message(&event)), bench.start(message(&event))];
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    let other = bench.start(message(&self::event()));
    assert_eq!(other.await.unwrap(), Told::Ack);
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(90),
        "the duplicate took a slot"
    );
    assert_eq!(
        [first.await.unwrap(), second.await.unwrap()],
        [Told::Ack, Told::Ack]
    );
    assert_eq!(bench.pipeline.metrics.duplicates.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_event_is_given_back_and_can_be_claimed_at_once() {
    let bench = Bench::scripted(vec![Outcome::retryable("no"), Outcome::Success]);
    let event = event();
    assert_eq!(bench.deliver(message(&event)).await, Told::Nack);
    assert_eq!(bench.deliver(message(&event)).await, Told::Ack);
    assert_eq!(bench.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn retry_after_holds_the_event_within_a_bound() {
    for (asked, held) in [(7, 7), (100_000, 60)] {
        let bench = Bench::scripted(vec![Outcome::Retryable {
            reason: "later".into(),
            retry_after: Some(Duration::from_secs(asked)),
        }]);
        let start = Instant::now();
        assert_eq!(bench.deliver(message(&event())).await, Told::Nack);
        assert_eq!(start.elapsed(), Duration::from_secs(held));
    }
}

#[tokio::test(start_paused = true)]
async fn a_permanent_verdict_is_remembered() {
    let bench = Bench::scripted(vec![Outcome::permanent("never")]);
    let event = event();
    for _ in 0..5 {
        assert_eq!(bench.deliver(message(&event)).await, Told::Nack);
    }
    assert_eq!(bench.calls(), 1);
    assert_eq!(bench.pipeline.metrics.permanent.get(), 1);
    assert_eq!(bench.count("permanent_before"), 4);
}

#[tokio::test(start_paused = true)]
async fn panics_and_timeouts_are_failures_of_the_event_only() {
    async fn misbehave(event: Event) {
        match event.source.as_str() {
            "panics" => panic!("no"),
            "hangs" => std::future::pending().await,
            _ => {}
        }
    }
    let bench = Bench::new(misbehave);
    for (source, told) in [
        ("panics", Told::Nack),
        ("hangs", Told::Nack),
        ("works", Told::Ack),
    ] {
        let mut event = event();
        event.source = source.to_owned();
        assert_eq!(bench.deliver(message(&event)).await, told, "{source}");
    }
    assert_eq!(bench.pipeline.metrics.in_flight.get(), 0);
    assert_eq!(bench.count("retryable"), 2);
}

#[tokio::test(start_paused = true)]
async fn another_tenants_message_is_never_handled() {
    let bench = Bench::scripted(vec![Outcome::Success]);
    let mut wrong_attribute = message(&event());
    wrong_attribute
        .attributes
        .insert("tenant_id".to_owned(), "tenant-456".to_owned());
    let mut foreign = event();
    foreign.tenant_id = tenant("tenant-456");
    let mut wrong_body = message(&foreign);
    wrong_body
        .attributes
        .insert("tenant_id".to_owned(), "tenant-123".to_owned());
    for message in [message(&foreign), wrong_attribute, wrong_body] {
        assert_eq!(bench.deliver(message).await, Told::Nack);
    }
    assert_eq!(bench.calls(), 0);
    assert_eq!(bench.pipeline.metrics.tenant_mismatch.get(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_is_never_handled() {
    let bench = Bench::scripted(vec![Outcome::Success]);
    let mut poison = message(&event());
    poison.data = "not json".into();
    assert_eq!(bench.deliver(poison).await, Told::Nack);
    assert_eq!(bench.calls(), 0);
    assert_eq!(bench.pipeline.metrics.undecodable.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn unknown_versions_are_let_go_and_unknown_types_are_not() {
    let bench = Bench::with(|registry| {
        let handler = Arc::new(|_: Event| async { Outcome::Success });
        registry.on_version("document.ingested", "7.0", handler).unwrap();
    });
    assert_eq!(bench.deliver(message(&event())).await, Told::Ack);
    assert_eq!(bench.count("unknown_version"), 1);
    let mut other = event();
    other.event_type = EventType::parse("user.login").unwrap();
    assert_eq!(bench.deliver(message(&other)).await, Told::Nack);
}

#[tokio::test(start_paused = true)]
async fn what_another_subscription_has_is_left_to_it_but_never_without_the_guard() {
    let bench = Bench::scripted(vec![Outcome::Success]);
    let mut later = message(&event());
    later.superseded = true;
    assert_eq!(bench.deliver(later.clone()).await, Told::Ack);
    assert_eq!(bench.calls(), 0);
    assert_eq!(bench.count("superseded"), 1);
    let mut foreign = later;
    foreign.attributes.insert("tenant_id".into(), "tenant-456".into());
    assert_eq!(bench.deliver(foreign).await, Told::Nack);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_away_nothing_is_handled_and_nothing_told() {
    let bench = Bench::scripted(vec![Outcome::Success]);
    bench.store.away.store(true, Ordering::SeqCst);
    let mut told = bench.start(message(&event()));
    let hours = Duration::from_hours(5);
    assert!(tokio::time::timeout(hours, &mut told).await.is_err());
    assert_eq!(bench.calls(), 0);
    assert!(bench.pipeline.health.problems().unwrap().starts_with("store: "));
    bench.store.away.store(false, Ordering::SeqCst);
    assert_eq!(told.await.unwrap(), Told::Ack);
    assert_eq!(bench.pipeline.health.problems(), None);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_goes_away_under_a_handler_is_waited_for() {
    let store: Arc<Mutex<Option<Arc<Flaky>>>> = Arc::default();
    let seen = Arc::clone(&store);
    let bench = Bench::new(move |_: Event| {
        seen.lock().as_ref().unwrap().away.store(true, Ordering::SeqCst);
        async { Outcome::Success }
    });
    *store.lock() = Some(Arc::clone(&bench.store));
    let event = event();
    let mut told = bench.start(message(&event));
    assert!(
        tokio::time::timeout(Duration::from_mins(1), &mut told)
            .await
            .is_err()
    );
    bench.store.away.store(false, Ordering::SeqCst);
    assert_eq!(told.await.unwrap(), Told::Ack);
    assert_eq!(bench.deliver(message(&event)).await, Told::Ack);
    assert_eq!(bench.count("duplicate"), 1);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_handler_spends_no_attempt() {
    let answers = [vec![Outcome::unavailable("down"); 40], vec![Outcome::Success]].concat();
    let bench = Bench::scripted(answers);
    let mut waiting: Vec<_> = (0..20).map(|_| bench.start(message(&event()))).collect();
    assert!(
        tokio::time::timeout(Duration::from_secs(30), &mut waiting[0])
            .await
            .is_err()
    );
    assert!(!bench.pipeline.registry.all_there());
    let calls_when_open = bench.calls();
    assert!(
        calls_when_open < 20,
        "{calls_when_open} calls to a handler that is down"
    );
    for told in waiting {
        assert_eq!(told.await.unwrap(), Told::Ack);
    }
    assert_eq!(bench.calls(), 60);
    assert!(bench.pipeline.registry.all_there());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_the_handler_alone_turns_away_is_given_back() {
    let bench = Bench::new(|event: Event| async move {
        match event.source.as_str() {
            "odd" => Outcome::unavailable("404"),
            _ => Outcome::Success,
        }
    });
    let mut odd = event();
    odd.source = "odd".to_owned();
    let mut told = bench.start(message(&odd));
    let told = loop {
        tokio::select! {
            told = &mut told => break told.unwrap(),
            other = bench.deliver(message(&event())) => assert_eq!(other, Told::Ack),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(told, Told::Nack);
    assert!(bench.pipeline.registry.all_there());
}

#[tokio::test(start_paused = true)]
async fn a_stop_gives_back_what_waits_and_lets_handlers_finish() {
    let bench = Bench::new(|event: Event| async move {
        let time = if event.source == "slow" { 60 } else { 10 };
        tokio::time::sleep(Duration::from_secs(time)).await;
    });
    let [mut slow, finishes] = [event(), event()];
    slow.source = "slow".to_owned();
    let [cut, finished] = [bench.start(message(&slow)), bench.start(message(&finishes))];
    let duplicate = bench.start(message(&finishes));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    assert!(bench.pipeline.drain.run(async {}).await);
    assert!(start.elapsed() < Duration::from_secs(25));
    assert_eq!(finished.await.unwrap(), Told::Ack);
    assert_eq!(duplicate.await.unwrap(), Told::Nack);
    assert_eq!(cut.await.unwrap(), Told::Nack);
    // What was cut is free for the next worker of a shared store.
    let key = slow.idempotency_key();
    let free = identity(&slow, &key);
    let claim = bench
        .store
        .inner
        .claim(&free, Token::fresh(), Duration::from_secs(1));
    assert_eq!(claim.await.unwrap(), Claim::Claimed);
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_a_handler_spends_no_attempt() {
    let back = Instant::now() + Duration::from_hours(1);
    let bench = Bench::new(move |_: Event| async move {
        match Instant::now() < back {
            true => Outcome::unavailable("down"),
            false => Outcome::Success,
        }
    });
    let waiting: Vec<_> = (0..50).map(|_| bench.start(message(&event()))).collect();
    for told in waiting {
        assert_eq!(told.await.unwrap(), Told::Ack);
    }
    let after = Instant::now().duration_since(back);
    assert!(
        after < Duration::from_mins(2),
        "{after:?} after the handler was back"
    );
    assert_eq!(bench.count("success"), 50);
    assert!(
        bench.pipeline.metrics.handler_unavailable.get() < 300,
        "too many tries"
    );
}

/// Whatever the answer is, if it is the answer to every event it is none of their verdicts.
#[tokio::test(start_paused = true)]
async fn an_hour_of_failures_that_are_alike_spends_no_attempt() {
    let status = |kind, alone| Unavailable::new(kind).kind(kind).alone(alone);
    for failure in [
        status("404", Alone::Permanent),
        status("500", Alone::Retryable),
        status("502", Alone::Retryable),
        status("timeout", Alone::Retryable),
        status("refused", Alone::Never),
    ] {
        let back = Instant::now() + Duration::from_hours(1);
        let fails = failure.clone();
        let bench = Bench::new(move |_: Event| {
            let outcome = match Instant::now() < back {
                true => Outcome::from(fails.clone()),
                false => Outcome::Success,
            };
            async move { outcome }
        });
        let waiting: Vec<_> = (0..50).map(|_| bench.start(message(&event()))).collect();
        for told in waiting {
            assert_eq!(told.await.unwrap(), Told::Ack, "{failure}");
        }
        let after = Instant::now().duration_since(back);
        assert!(after < Duration::from_mins(1), "{failure}: {after:?}");
        assert_eq!(bench.count("success"), 50, "{failure}");
    }
}

/// An event without a verdict is held as long as nothing shows that it fails by itself; then it has one.
#[tokio::test(start_paused = true)]
async fn a_failure_that_nothing_is_compared_with_is_decided_after_a_minute() {
    let bench = Bench::scripted(vec![Outcome::unavailable("503")]);
    let start = Instant::now();
    assert_eq!(bench.deliver(message(&event())).await, Told::Nack);
    let took = start.elapsed();
    assert!(
        took >= Duration::from_mins(1) && took < Duration::from_mins(2),
        "{took:?}"
    );
}

/// The handler that lost its claim is asked to stop, and does not run beside the next owner's for longer than a moment.
#[tokio::test(start_paused = true)]
async fn a_lost_claim_stops_its_handler() {
    let store: Arc<Mutex<Option<Arc<Flaky>>>> = Arc::default();
    let seen = Arc::clone(&store);
    let stopped = Arc::new(AtomicUsize::new(0));
    let noted = Arc::clone(&stopped);
    let bench = Bench::new(move |event: Event| {
        let (store, noted) = (seen.lock().clone().unwrap(), Arc::clone(&noted));
        async move {
            assert!(event.deadline().unwrap() > Instant::now() && !event.is_cancelled());
            let identity = identity(&event, event.idempotency_key());
            store.away.store(true, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(65)).await;
            let claim = store
                .inner
                .claim(&identity, Token::fresh(), Duration::from_hours(1));
            assert_eq!(claim.await.unwrap(), Claim::Claimed);
            store.away.store(false, Ordering::SeqCst);
            event.cancelled().await;
            noted.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
    });
    *store.lock() = Some(Arc::clone(&bench.store));
    let start = Instant::now();
    assert_eq!(bench.deliver(message(&event())).await, Told::Nack);
    assert!(start.elapsed() < Duration::from_secs(95), "{:?}", start.elapsed());
    assert_eq!((bench.count("overtaken"), stopped.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_key_of_the_publisher_is_of_one_type_and_one_payload() {
    let bench = Bench::scripted(vec![Outcome::Success]);
    let mut first = event();
    first.own_idempotency_key = Some("order-7".parse::<String>().unwrap().try_into().unwrap());
    assert_eq!(bench.deliver(message(&first)).await, Told::Ack);
    let mut other_type = first.clone();
    other_type.event_type = EventType::parse("document.updated").unwrap();
    assert_eq!(bench.deliver(message(&other_type)).await, Told::Ack);
    assert_eq!(
        bench.calls(),
        2,
        "the second was taken for a duplicate of the first"
    );
    // Tried again by its publisher: another time and trace, the same payload.
    let mut again = first.clone();
    again.occurred_at = "2030-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(bench.deliver(message(&again)).await, Told::Ack);
    assert_eq!((bench.calls(), bench.count("duplicate")), (2, 1));
    let mut other_payload = first.clone();
    other_payload.data = serde_json::Map::from_iter([("amount".to_owned(), 9.into())]).into();
    assert_eq!(bench.deliver(message(&other_payload)).await, Told::Nack);
    assert_eq!((bench.calls(), bench.count("conflict")), (2, 1));
    assert_eq!(bench.pipeline.metrics.conflicts.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_failure_is_asked_about_again_after_a_replay_and_by_a_new_version() {
    let mut bench = Bench::scripted(vec![Outcome::permanent("never")]);
    let event = event();
    for _ in 0..3 {
        assert_eq!(bench.deliver(message(&event)).await, Told::Nack);
    }
    assert_eq!(bench.calls(), 1);
    let mut replayed = message(&event);
    replayed.message_id = "2".to_owned();
    assert_eq!(bench.deliver(replayed).await, Told::Nack);
    assert_eq!(bench.calls(), 2);
    Arc::get_mut(&mut bench.pipeline).unwrap().handler_version = "2.1".into();
    assert_eq!(bench.deliver(message(&event)).await, Told::Nack);
    assert_eq!(bench.calls(), 3);
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_eq!(bench.deliver(message(&event)).await, Told::Nack);
    assert_eq!(bench.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_type_that_no_handler_takes_is_counted_once_however_often_it_comes() {
    let bench = Bench::with(|registry| {
        let handler = Arc::new(|_: Event| async { Outcome::Success });
        registry.on("user.login", handler).unwrap();
    });
    let mut message = message(&event());
    message.delivery_attempt = None;
    for _ in 0..5 {
        assert_eq!(bench.deliver(message.clone()).await, Told::Nack);
    }
    assert_eq!(bench.pipeline.metrics.permanent.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_has_slots_and_a_time_of_its_own() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let handler = move |event: Event| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(if event.source == "slow" { 60 } else { 1 })).await;
            now.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let options = HandlerOptions::new()
        .concurrency(1)
        .timeout(Duration::from_secs(5));
    let bench = Bench::with(|registry| {
        registry
            .on_with("document.*", options, Arc::new(handler))
            .unwrap();
    });
    let told: Vec<_> = (0..5).map(|_| bench.start(message(&event()))).collect();
    for told in told {
        assert_eq!(told.await.unwrap(), Told::Ack);
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let mut slow = event();
    slow.source = "slow".to_owned();
    let mut told = bench.start(message(&slow));
    let early = tokio::time::timeout(Duration::from_secs(6), &mut told).await;
    assert!(early.is_err(), "one that took too long waits to be decided");
    assert_eq!(bench.deliver(message(&event())).await, Told::Ack);
    assert_eq!(told.await.unwrap(), Told::Nack);
}

/// As after a pause of the whole process, or a store that was away for longer than the claim lives.
#[tokio::test(start_paused = true)]
async fn a_claim_that_another_took_meanwhile_counts_for_nothing() {
    let store: Arc<Mutex<Option<Arc<Flaky>>>> = Arc::default();
    let seen = Arc::clone(&store);
    let bench = Bench::new(move |event: Event| {
        let store = seen.lock().clone().unwrap();
        async move {
            store.away.store(true, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(90)).await;
            let (identity, other) = (identity(&event, event.idempotency_key()), Token::fresh());
            let claim = store.inner.claim(&identity, other, Duration::from_mins(1)).await;
            assert_eq!(claim.unwrap(), Claim::Claimed);
            store
                .inner
                .finish(&identity, other, End::PermanentlyFailed)
                .await
                .unwrap();
            store.away.store(false, Ordering::SeqCst);
        }
    });
    *store.lock() = Some(Arc::clone(&bench.store));
    let event = event();
    assert_eq!(bench.deliver(message(&event)).await, Told::Nack);
    assert_eq!(bench.count("overtaken"), 1);
    // What the other noted stands.
    assert_eq!(bench.deliver(message(&event)).await, Told::Nack);
    assert_eq!(bench.count("permanent_before"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_lives_as_long_as_its_handler() {
    let bench = Bench::new(|_: Event| tokio::time::sleep(Duration::from_secs(110)));
    let event = event();
    let first = bench.start(message(&event));
    tokio::time::sleep(Duration::from_secs(100)).await;
    let key = event.idempotency_key();
    let free = identity(&event, &key);
    let claim = bench.store.claim(&free, Token::fresh(), Duration::from_secs(1));
    assert_eq!(claim.await.unwrap(), Claim::InFlight);
    assert_eq!(first.await.unwrap(), Told::Ack);
}

#[tokio::test(start_paused = true)]
async fn unknown_versions_may_be_kept_for_a_newer_worker() {
    let mut bench = Bench::with(|registry| {
        let handler = Arc::new(|_: Event| async { Outcome::Success });
        registry.on_version("document.ingested", "7.0", handler).unwrap();
    });
    Arc::get_mut(&mut bench.pipeline).unwrap().unknown_version = UnknownVersion::Retry;
    let event = event();
    assert_eq!(bench.deliver(message(&event)).await, Told::Nack);
    assert_eq!(bench.count("retryable"), 1);
    // Nothing is remembered against it.
    let key = event.idempotency_key();
    let free = identity(&event, &key);
    let claim = bench.store.claim(&free, Token::fresh(), Duration::from_secs(1));
    assert_eq!(claim.await.unwrap(), Claim::Claimed);
}
