use super::*;

const GONE: Failure = Failure {
    kind: "404",
    alone: Alone::Permanent,
    batch: None,
};

struct Bench {
    evidence: Evidence,
    now: Instant,
    records: HashMap<u64, Record>,
}

impl Bench {
    fn new() -> Self {
        Self {
            evidence: Evidence::default(),
            now: Instant::now(),
            records: HashMap::new(),
        }
    }

    fn fails(&mut self, event: u64, failure: Failure) -> Judgement {
        let record = self.records.entry(event).or_insert_with(|| Record::new(event));
        self.evidence.failed(record, failure, false, self.now)
    }

    fn works(&mut self) {
        let began = self.evidence.begin();
        self.evidence.succeeded(began, self.now);
    }
}

#[test]
fn an_event_that_fails_while_others_succeed_fails_by_itself() {
    let mut bench = Bench::new();
    assert_eq!(bench.fails(1, GONE), Judgement::Pending);
    assert_eq!(bench.fails(1, GONE), Judgement::Pending);
    bench.works();
    assert_eq!(bench.fails(1, GONE), Judgement::Own);
    // Known: its next delivery needs no other event to be compared with, as long as it fails alike.
    bench.records.clear();
    assert_eq!(bench.fails(1, GONE), Judgement::Own);
    bench.records.clear();
    assert_eq!(
        bench.fails(1, Failure { kind: "500", ..GONE }),
        Judgement::Pending
    );
}

#[test]
fn distinct_events_that_fail_alike_are_an_outage() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        assert_eq!(
            bench.fails(1, GONE),
            Judgement::Pending,
            "one event is no distribution"
        );
    }
    assert_eq!(bench.fails(2, GONE), Judgement::Pending);
    assert_eq!(bench.fails(3, GONE), Judgement::Outage);
    let mut bench = Bench::new();
    bench.works();
    for event in 1..10 {
        assert_eq!(bench.fails(event, GONE), Judgement::Pending, "{event}");
    }
    assert_eq!(bench.fails(10, GONE), Judgement::Outage);
}

#[test]
fn a_call_from_before_the_failure_decides_nothing() {
    let mut bench = Bench::new();
    let began = bench.evidence.begin();
    assert_eq!(bench.fails(1, GONE), Judgement::Pending);
    bench.evidence.succeeded(began, bench.now);
    assert_eq!(bench.fails(1, GONE), Judgement::Pending);
}

#[test]
fn a_batch_that_fails_is_one_failure() {
    let mut bench = Bench::new();
    for event in 1..=20 {
        let together = Failure {
            batch: Some(7),
            ..GONE
        };
        assert_eq!(bench.fails(event, together), Judgement::Pending, "{event}");
    }
}

#[test]
fn what_nothing_else_decides_time_does() {
    let mut bench = Bench::new();
    assert_eq!(bench.fails(1, GONE), Judgement::Pending);
    bench.now += DECIDED_AFTER;
    assert_eq!(bench.fails(1, GONE), Judgement::Own);
    // Nothing is known of an event that was never compared with another.
    bench.records.clear();
    assert_eq!(bench.fails(1, GONE), Judgement::Pending);
}

#[test]
fn a_handler_that_is_not_reached_is_always_an_outage() {
    let mut bench = Bench::new();
    let refused = Failure {
        kind: "refused",
        alone: Alone::Never,
        batch: None,
    };
    bench.works();
    assert_eq!(bench.fails(1, refused), Judgement::Pending);
    assert_eq!(bench.fails(1, refused), Judgement::Pending);
    assert_eq!(bench.fails(1, refused), Judgement::Outage);
    bench.works();
    bench.now += DECIDED_AFTER;
    assert_eq!(
        bench.fails(1, refused),
        Judgement::Pending,
        "never the event's own"
    );
}

#[test]
fn a_probe_holds_nothing_against_its_event() {
    let mut bench = Bench::new();
    let mut record = Record::new(1);
    for _ in 0..3 {
        bench.now += DECIDED_AFTER;
        let judgement = bench.evidence.failed(&mut record, GONE, true, bench.now);
        assert_eq!(judgement, Judgement::Pending);
    }
}

#[test]
fn what_is_known_is_bounded() {
    let mut bench = Bench::new();
    for event in 0..=MOST_KNOWN as u64 {
        bench.evidence.is_own(event, "404", bench.now);
    }
    assert_eq!(bench.evidence.known.len(), MOST_KNOWN);
    bench.now += KNOWN_FOR;
    bench.evidence.is_own(0, "404", bench.now);
    assert_eq!(bench.evidence.known.len(), 1);
}
