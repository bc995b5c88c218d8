use async_trait::async_trait;
use tokio::sync::mpsc;

use super::*;
use crate::message::{Lease, NotConfirmed, sample};

const SECOND: Duration = Duration::from_secs(1);

/// A lease that tells how it was settled: acknowledged or given back, and which delivery of which message.
struct Told(
    &'static str,
    u32,
    mpsc::UnboundedSender<(bool, &'static str, u32)>,
);

#[async_trait]
impl Lease for Told {
    async fn ack(self: Box<Self>) -> Result<(), NotConfirmed> {
        self.2.send((true, self.0, self.1)).unwrap();
        Ok(())
    }
    fn nack(self: Box<Self>) {
        self.2.send((false, self.0, self.1)).unwrap();
    }
}

struct Bench {
    lanes: Lanes,
    settled: mpsc::UnboundedSender<(bool, &'static str, u32)>,
    told: mpsc::UnboundedReceiver<(bool, &'static str, u32)>,
}

impl Bench {
    fn new() -> Self {
        let (settled, told) = mpsc::unbounded_channel();
        let lanes = Lanes {
            state: Arc::default(),
            window: Arc::default(),
            longest_backoff: LONGEST_BACKOFF,
        };
        Self { lanes, settled, told }
    }

    fn delivery(&self, key: &str, id: &'static str, attempt: u32) -> Delivery {
        let mut message = sample(&[], "");
        key.clone_into(&mut message.ordering_key);
        id.clone_into(&mut message.message_id);
        message.in_order = true;
        message.delivery_attempt = Some(attempt);
        let lease = Box::new(Told(id, attempt, self.settled.clone()));
        Delivery { message, lease }
    }

    /// Whether it may go now.
    fn goes(&self, key: &str, id: &'static str, attempt: u32) -> bool {
        self.lanes.queue(self.delivery(key, id, attempt)).is_some()
    }

    fn next(&self, key: &str) -> Option<Delivery> {
        self.lanes.state.lock().next(key)
    }

    fn head_is_given_back(&self, key: &str) -> Duration {
        let mut state = self.lanes.state.lock();
        let lane = state.lanes.get_mut(key).unwrap();
        lane.given_back(Instant::now(), LONGEST_BACKOFF)
    }

    fn told(&mut self) -> Vec<(bool, &'static str, u32)> {
        std::iter::from_fn(|| self.told.try_recv().ok()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_per_key_and_in_order() {
    let bench = Bench::new();
    assert!(bench.goes("a", "1", 1));
    assert!(!bench.goes("a", "2", 1));
    assert!(!bench.goes("a", "3", 1));
    assert!(bench.goes("b", "4", 1));
    assert_eq!(bench.lanes.window.events(), 2);
    let mut order = Vec::new();
    while let Some(next) = bench.next("a") {
        order.push(next.message.message_id);
    }
    assert_eq!(order, ["2", "3"]);
    assert_eq!(bench.lanes.window.events(), 0);
    assert!(bench.goes("a", "5", 1), "a lane without messages is forgotten");
}

#[tokio::test(start_paused = true)]
async fn none_overtakes_one_that_was_given_back_and_none_is_given_back_with_it() {
    let mut bench = Bench::new();
    bench.goes("a", "1", 1);
    bench.goes("a", "2", 1);
    bench.head_is_given_back("a");
    assert!(!bench.goes("a", "3", 1), "it came while the head was away");
    assert!(bench.goes("a", "1", 2), "the head comes again");
    assert_eq!(bench.told(), []);
    assert_eq!(bench.next("a").unwrap().message.message_id, "2");
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_comes_again_keeps_its_place_and_both_leases_are_settled() {
    let mut bench = Bench::new();
    bench.goes("a", "1", 1);
    bench.goes("a", "2", 1);
    bench.goes("a", "3", 1);
    assert!(!bench.goes("a", "2", 2));
    assert_eq!(bench.lanes.window.events(), 2);
    let second = bench.next("a").unwrap();
    assert_eq!(
        (
            second.message.message_id.as_str(),
            second.message.delivery_attempt
        ),
        ("2", Some(2))
    );
    second.lease.ack().await.unwrap();
    bench.next("a").unwrap().lease.nack();
    assert_eq!(bench.told(), [(true, "2", 2), (true, "2", 1), (false, "3", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_head_is_waited_for_twice_as_long_as_it_was_away_last() {
    let bench = Bench::new();
    bench.goes("a", "1", 1);
    assert_eq!(bench.head_is_given_back("a"), LONGEST_BACKOFF);
    tokio::time::advance(10 * SECOND).await;
    assert!(bench.goes("a", "1", 2));
    assert_eq!(bench.head_is_given_back("a"), 20 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_key_beyond_its_bound_is_given_back_but_not_at_the_last_attempts() {
    let mut bench = Bench::new();
    bench.goes("a", "head", 1);
    for _ in 0..MOST_OF_A_KEY {
        let mut delivery = bench.delivery("a", "x", 1);
        delivery.message.message_id = format!("{}", rand::random::<u64>());
        assert!(bench.lanes.queue(delivery).is_none());
    }
    assert!(!bench.goes("a", "tail", 3));
    assert!(!bench.goes("a", "held", 4));
    assert_eq!(bench.told(), [(false, "tail", 3)]);
    bench.lanes.give_back("a");
    assert_eq!(bench.told().last(), Some(&(false, "held", 4)));
}
