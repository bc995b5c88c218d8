use super::*;
use crate::pb;
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const WIDE: Limit = Limit {
    messages: 1000,
    bytes: 1 << 30,
};

struct Bench {
    queue: Queue,
    now: Instant,
    next: u64,
}

impl Bench {
    fn new(rules: Rules) -> Self {
        let clock = Clock::start();
        Self {
            queue: Queue::new(rules, clock, 1),
            now: Instant::now(),
            next: 1,
        }
    }

    fn push(&mut self, key: &str) -> u64 {
        let id = self.next;
        self.next += 1;
        let wire = pb::PubsubMessage {
            data: b"x".to_vec().into(),
            ordering_key: key.to_owned(),
            ..Default::default()
        };
        self.queue.push(
            Arc::new(Message::new(wire, id, self.queue.clock.wall(self.now), None)),
            self.now,
        );
        id
    }

    fn puller(&mut self, limit: Limit) -> OwnerId {
        self.queue.attach(limit, "").0
    }

    fn take(&mut self, owner: OwnerId) -> Vec<Delivery> {
        let hold = self.queue.rules.ack_deadline;
        self.queue.lease(self.now, owner, hold)
    }

    fn ids(&mut self, owner: OwnerId) -> Vec<u64> {
        self.take(owner).iter().map(|d| d.message.id).collect()
    }

    fn later(&mut self, by: Duration) -> Vec<DeadLetter> {
        self.now += by;
        self.queue.tick(self.now, true)
    }

    fn nack(&mut self, delivery: &Delivery) -> Option<DeadLetter> {
        self.queue.nack(delivery.ack_id, self.now, true).1
    }
}

#[tokio::test(start_paused = true)]
async fn an_acked_message_is_gone_and_an_unacked_one_comes_again() {
    let mut b = Bench::new(Rules::default());
    let owner = b.puller(WIDE);
    b.push("");
    b.push("");
    let first = b.take(owner);
    assert_eq!(first.len(), 2);
    assert!(b.queue.ack(first[0].ack_id));
    assert!(!b.queue.ack(first[0].ack_id), "a second ack finds nothing");
    assert!(b.later(Duration::from_millis(9_999)).is_empty());
    assert!(b.ids(owner).is_empty());
    b.later(Duration::from_millis(1));
    assert_eq!(b.ids(owner), [2]);
    assert_eq!(
        (b.queue.backlog(), b.queue.outstanding(), b.queue.totals.expired),
        (1, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_late_ack_is_good_until_the_message_is_delivered_again() {
    let mut b = Bench::new(Rules::default());
    let owner = b.puller(WIDE);
    b.push("");
    let first = b.take(owner);
    b.later(11 * SECOND);
    assert!(b.queue.ack(first[0].ack_id));
    assert_eq!(b.queue.backlog(), 0);
    assert!(b.ids(owner).is_empty());

    b.push("");
    let first = b.take(owner);
    b.later(11 * SECOND);
    let second = b.take(owner);
    assert!(!b.queue.ack(first[0].ack_id), "the newer delivery holds it");
    assert!(b.queue.ack(second[0].ack_id));
}

#[tokio::test(start_paused = true)]
async fn exactly_once_refuses_an_ack_after_the_deadline() {
    let mut b = Bench::new(Rules {
        exactly_once: true,
        ..Rules::default()
    });
    let owner = b.puller(WIDE);
    b.push("");
    let first = b.take(owner);
    b.later(11 * SECOND);
    assert!(!b.queue.ack(first[0].ack_id));
    assert_eq!(b.ids(owner), [1]);
}

#[tokio::test(start_paused = true)]
async fn an_extension_moves_the_deadline() {
    let mut b = Bench::new(Rules::default());
    let owner = b.puller(WIDE);
    b.push("");
    let first = b.take(owner);
    b.later(9 * SECOND);
    assert!(b.queue.extend(first[0].ack_id, b.now + 20 * SECOND));
    b.later(19 * SECOND);
    assert!(b.ids(owner).is_empty());
    b.later(SECOND);
    assert_eq!(b.ids(owner), [1]);
}

#[tokio::test(start_paused = true)]
async fn backoff_doubles_from_minimum_to_maximum() {
    let retry = RetryRule {
        minimum: 10 * SECOND,
        maximum: 35 * SECOND,
    };
    let mut b = Bench::new(Rules {
        retry: Some(retry),
        ..Rules::default()
    });
    let owner = b.puller(WIDE);
    b.push("");
    for expected in [10, 20, 35, 35] {
        let delivery = b.take(owner);
        assert_eq!(delivery.len(), 1, "before the backoff of {expected} s");
        b.nack(&delivery[0]);
        b.later((expected * SECOND).saturating_sub(Duration::from_nanos(1)));
        assert!(b.ids(owner).is_empty());
        b.later(Duration::from_nanos(1));
    }
    assert_eq!(b.ids(owner), [1]);
}

#[tokio::test(start_paused = true)]
async fn without_a_retry_policy_a_nack_redelivers_at_once() {
    let mut b = Bench::new(Rules::default());
    let owner = b.puller(WIDE);
    b.push("");
    let delivery = b.take(owner);
    assert_eq!(delivery[0].attempt, 0, "not counted without a dead-letter policy");
    b.nack(&delivery[0]);
    assert_eq!(b.ids(owner), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_nacked_message_does_not_come_again_in_the_same_moment() {
    let pause = Duration::from_millis(100);
    let retry = |seconds| RetryRule {
        minimum: seconds * SECOND,
        maximum: seconds * SECOND,
    };
    for (retry, expected) in [
        (None, pause),
        (Some(retry(0)), pause),
        (Some(retry(2)), 2 * SECOND),
    ] {
        let mut b = Bench::new(Rules {
            redelivery: pause,
            retry,
            ..Rules::default()
        });
        let owner = b.puller(WIDE);
        b.push("");
        let delivery = b.take(owner);
        b.nack(&delivery[0]);
        b.later(expected.saturating_sub(Duration::from_nanos(1)));
        assert!(b.ids(owner).is_empty());
        b.later(Duration::from_nanos(1));
        assert_eq!(b.ids(owner), [1]);
    }
}

fn dead_letter() -> Rules {
    Rules {
        dead_letter: Some(DeadLetterRule {
            topic: "t".to_owned(),
            max_attempts: 5,
        }),
        ..Rules::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_dead_after_its_attempts() {
    let mut b = Bench::new(dead_letter());
    let owner = b.puller(WIDE);
    b.push("");
    for attempt in 1..5 {
        let delivery = b.take(owner);
        assert_eq!(delivery[0].attempt, attempt);
        assert!(b.nack(&delivery[0]).is_none());
    }
    let last = b.take(owner);
    let dead = b.nack(&last[0]).expect("dead after five attempts");
    assert_eq!((dead.attempts, dead.message.id), (5, 1));
    assert_eq!(b.queue.backlog(), 0);
}

#[tokio::test(start_paused = true)]
async fn without_grants_a_message_is_redelivered_beyond_its_attempts() {
    let mut b = Bench::new(dead_letter());
    let owner = b.puller(WIDE);
    b.push("");
    for attempt in 1..10 {
        let delivery = b.take(owner);
        assert_eq!(delivery[0].attempt, attempt);
        assert!(b.queue.nack(delivery[0].ack_id, b.now, false).1.is_none());
    }
    let delivery = b.take(owner);
    assert_eq!(
        b.nack(&delivery[0]).map(|dead| dead.attempts),
        Some(10),
        "with the grant the next failure is the last"
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_lease_counts_as_an_attempt() {
    let mut b = Bench::new(dead_letter());
    let owner = b.puller(WIDE);
    b.push("");
    for _ in 1..5 {
        assert_eq!(b.take(owner).len(), 1);
        assert!(b.later(10 * SECOND).is_empty());
    }
    assert_eq!(b.take(owner).len(), 1);
    assert_eq!(b.later(10 * SECOND).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn flow_control_bounds_messages_and_bytes() {
    let mut b = Bench::new(Rules::default());
    let few = b.puller(Limit {
        messages: 2,
        bytes: 1 << 20,
    });
    for _ in 0..5 {
        b.push("");
    }
    let taken = b.take(few);
    assert_eq!(taken.len(), 2);
    assert!(b.take(few).is_empty(), "no room");
    b.queue.ack(taken[0].ack_id);
    assert_eq!(b.take(few).len(), 1, "room again after an ack");
    b.queue.detach(few);
    let narrow = b.puller(Limit {
        messages: 10,
        bytes: 1,
    });
    assert_eq!(b.take(narrow).len(), 1, "one message goes through however large");
    assert!(b.take(narrow).is_empty());
}

#[tokio::test(start_paused = true)]
async fn pullers_share_what_is_ready() {
    let mut b = Bench::new(Rules::default());
    let (one, two) = (b.puller(WIDE), b.puller(WIDE));
    for _ in 0..10 {
        b.push("");
    }
    assert_eq!(b.take(one).len(), 5);
    assert!(!b.take(two).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_puller_with_room_is_woken_by_a_push_and_a_full_one_by_an_ack() {
    let mut b = Bench::new(Rules::default());
    let (owner, wake) = b.queue.attach(
        Limit {
            messages: 1,
            bytes: 1 << 20,
        },
        "",
    );
    b.push("");
    b.queue.wake();
    tokio::time::timeout(SECOND, wake.notified())
        .await
        .expect("woken by the push");
    let first = b.take(owner);
    b.push("");
    b.queue.wake();
    assert!(
        tokio::time::timeout(SECOND, wake.notified()).await.is_err(),
        "it has no room"
    );
    b.queue.ack(first[0].ack_id);
    tokio::time::timeout(SECOND, wake.notified())
        .await
        .expect("woken by the ack");
}

fn ordered() -> Rules {
    Rules {
        ordering: true,
        ..Rules::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_delivered_in_order_and_to_one_puller_at_a_time() {
    let mut b = Bench::new(ordered());
    let (one, two) = (b.puller(WIDE), b.puller(WIDE));
    for key in ["a", "a", "b", "a", ""] {
        b.push(key);
    }
    let first = b.queue.lease(b.now, one, SECOND);
    assert_eq!(
        first.iter().map(|d| d.message.id).collect::<Vec<_>>(),
        [1, 2, 4],
        "half of what is ready, one key"
    );
    b.push("a");
    assert_eq!(
        b.ids(two),
        [3, 5],
        "the rest of key a stays with the first puller"
    );
    assert!(b.ids(two).is_empty());
    assert_eq!(b.ids(one), [6]);
}

#[tokio::test(start_paused = true)]
async fn a_key_stays_with_its_puller_until_the_last_lease_ends() {
    let mut b = Bench::new(ordered());
    let one = b.puller(WIDE);
    b.push("a");
    b.push("a");
    let taken = b.take(one);
    assert_eq!(taken.len(), 2);
    let two = b.puller(WIDE);
    assert!(b.queue.ack(taken[0].ack_id));
    b.push("a");
    assert!(b.ids(two).is_empty(), "the first puller still holds one");
    b.later(5 * SECOND);
    assert_eq!(b.queue.outstanding(), 1, "its lease has not ended");
    assert!(b.queue.ack(taken[1].ack_id));
    assert_eq!(b.ids(two), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_nack_redelivers_the_rest_of_its_key_even_what_was_acked() {
    let mut b = Bench::new(Rules {
        retry: Some(RetryRule {
            minimum: SECOND,
            maximum: SECOND,
        }),
        ..ordered()
    });
    let owner = b.puller(WIDE);
    for key in ["a", "a", "a", "b"] {
        b.push(key);
    }
    let mut taken = b.take(owner);
    while taken.len() < 4 {
        taken.extend(b.take(owner));
    }
    assert!(b.queue.ack(taken[2].ack_id), "acked out of order");
    assert_eq!(b.queue.backlog(), 3);
    b.nack(&taken[0]);
    assert!(!b.queue.ack(taken[1].ack_id), "its delivery was taken back");
    assert!(b.ids(owner).is_empty(), "the whole key waits");
    b.later(SECOND);
    assert_eq!(b.ids(owner), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_ordered_backlog_shrinks_as_its_front_is_acked() {
    let mut b = Bench::new(ordered());
    let owner = b.puller(WIDE);
    for _ in 0..3 {
        b.push("k");
    }
    let taken = b.take(owner);
    for delivery in taken.iter().rev() {
        assert!(b.queue.ack(delivery.ack_id));
    }
    assert_eq!((b.queue.backlog(), b.queue.outstanding()), (0, 0));
    assert!(b.queue.lanes.is_empty());
    b.push("k");
    assert_eq!(b.ids(owner), [4]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_makes_room_for_the_rest_of_its_key() {
    let mut b = Bench::new(Rules {
        ordering: true,
        ..dead_letter()
    });
    let owner = b.puller(Limit {
        messages: 1,
        bytes: 1 << 20,
    });
    for key in ["a", "a", "a"] {
        b.push(key);
    }
    for _ in 1..5 {
        let first = b.take(owner);
        assert_eq!(first.iter().map(|d| d.message.id).collect::<Vec<_>>(), [1]);
        assert!(b.nack(&first[0]).is_none());
    }
    let last = b.take(owner);
    assert_eq!(b.nack(&last[0]).map(|dead| dead.message.id), Some(1));
    for id in [2, 3] {
        let next = b.take(owner);
        assert_eq!(next.iter().map(|d| d.message.id).collect::<Vec<_>>(), [id]);
        assert!(b.queue.ack(next[0].ack_id));
    }
    assert_eq!((b.queue.backlog(), b.queue.lanes.len()), (0, 0));
    assert_eq!((b.queue.totals.delivered, b.queue.totals.acked), (7, 2));
}

fn ids(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|delivery| delivery.message.id).collect()
}

fn attempts(deliveries: &[Delivery]) -> Vec<(u64, u32)> {
    let of = |delivery: &Delivery| (delivery.message.id, delivery.attempt);
    deliveries.iter().map(of).collect()
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_with_its_key_has_failed_no_more_often_than_before() {
    let mut b = Bench::new(Rules {
        ordering: true,
        ..dead_letter()
    });
    let owner = b.puller(WIDE);
    for _ in 0..3 {
        b.push("k");
    }
    for attempt in 1..5 {
        let taken = b.take(owner);
        assert_eq!(attempts(&taken), [(1, attempt), (2, 1), (3, 1)]);
        assert!(b.nack(&taken[0]).is_none());
    }
    // The last nack makes a dead letter of the first; what follows it is not taken from its client.
    let taken = b.take(owner);
    assert_eq!(b.nack(&taken[0]).map(|dead| dead.attempts), Some(5));
    assert_eq!(b.queue.outstanding(), 2);
    assert!(b.take(owner).is_empty());
    for delivery in &taken[1..] {
        assert!(b.queue.ack(delivery.ack_id));
    }
    assert_eq!((b.queue.backlog(), b.queue.lanes.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn leases_of_a_key_that_run_out_together_are_each_a_failure() {
    let mut b = Bench::new(Rules {
        ordering: true,
        ..dead_letter()
    });
    let owner = b.puller(WIDE);
    for _ in 0..2 {
        b.push("k");
    }
    // The slot that is free last is used first, so the order of slots is not that of the key.
    let taken = b.take(owner);
    for delivery in &taken {
        assert!(b.queue.ack(delivery.ack_id));
    }
    for _ in 0..3 {
        b.push("k");
    }
    assert_eq!(attempts(&b.take(owner)), [(3, 1), (4, 1), (5, 1)]);
    b.later(10 * SECOND);
    assert_eq!(b.queue.totals.expired, 3);
    assert_eq!(attempts(&b.take(owner)), [(3, 2), (4, 2), (5, 2)]);
}

#[tokio::test(start_paused = true)]
async fn nacks_of_a_key_in_one_request_are_each_a_failure() {
    let mut b = Bench::new(Rules {
        ordering: true,
        ..dead_letter()
    });
    let owner = b.puller(WIDE);
    for _ in 0..3 {
        b.push("k");
    }
    let mut taken = b.take(owner);
    b.queue.sort_nacks(&mut taken, |delivery| delivery.ack_id);
    assert_eq!(ids(&taken), [3, 2, 1]);
    for delivery in &taken {
        b.nack(delivery);
    }
    assert_eq!(b.queue.totals.nacked, 3);
    assert_eq!(attempts(&b.take(owner)), [(1, 2), (2, 2), (3, 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_as_if_it_had_not_been_leased() {
    let mut b = Bench::new(Rules {
        retry: Some(RetryRule {
            minimum: SECOND,
            maximum: SECOND,
        }),
        ..dead_letter()
    });
    let (first, _) = b.queue.attach(WIDE, "worker");
    let (second, wake) = b.queue.attach(WIDE, "");
    for _ in 0..3 {
        b.push("");
    }
    let sent = b.take(first);
    let unsent = b.take(second);
    assert_eq!((ids(&sent), ids(&unsent)), (vec![1, 2], vec![3]));
    b.queue.detach(first);
    let back: Vec<_> = sent.iter().map(|delivery| delivery.ack_id).collect();
    b.queue.take_back(&back);
    tokio::time::timeout(SECOND, wake.notified())
        .await
        .expect("there is work for others");
    assert_eq!((b.queue.totals.delivered, b.queue.outstanding()), (1, 1));
    assert_eq!(b.queue.timers.len(), 1);
    assert!(!b.queue.ack(back[0]), "an id that no client was given");
    assert_eq!(attempts(&b.take(second)), [(1, 1), (2, 1)]);
    b.queue.take_back(&back);
    assert_eq!(b.queue.outstanding(), 3, "they were leased anew");
    assert_eq!((b.queue.totals.nacked, b.queue.totals.expired), (0, 0));
    assert_eq!(b.queue.owners.known(), 1, "nothing is left of who went");
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_comes_first_and_its_key_in_order() {
    let mut b = Bench::new(ordered());
    let owner = b.puller(Limit {
        messages: 4,
        bytes: 1 << 20,
    });
    for key in ["k", "", "k", "", "", "k"] {
        b.push(key);
    }
    let taken = b.take(owner);
    assert_eq!(ids(&taken), [1, 3, 6, 2]);
    let unsent: Vec<_> = taken[1..].iter().map(|delivery| delivery.ack_id).collect();
    b.queue.take_back(&unsent);
    assert_eq!(b.queue.outstanding(), 1);
    let again = b.take(owner);
    assert_eq!(ids(&again), [2, 4, 5]);
    assert!(b.queue.ack(taken[0].ack_id));
    for delivery in &again {
        assert!(b.queue.ack(delivery.ack_id));
    }
    assert_eq!(b.ids(owner), [3, 6]);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_leaves_its_key_and_the_rest_goes_on() {
    let retention = Duration::from_secs(600);
    let mut b = Bench::new(Rules {
        ordering: true,
        retention,
        ..Rules::default()
    });
    let owner = b.puller(WIDE);
    b.push("a");
    b.later(300 * SECOND);
    b.push("a");
    b.push("a");
    b.later(300 * SECOND);
    assert_eq!((b.queue.backlog(), b.ids(owner)), (2, vec![2, 3]));
}

#[tokio::test(start_paused = true)]
async fn what_one_puller_leaves_others_are_told_of() {
    let mut b = Bench::new(Rules::default());
    let (one, _) = b.queue.attach(WIDE, "");
    let (two, wake) = b.queue.attach(WIDE, "");
    b.push("");
    b.push("");
    assert_eq!(b.take(one).len(), 1, "half of what is ready");
    tokio::time::timeout(SECOND, wake.notified())
        .await
        .expect("the other half is told of");
    assert_eq!(b.take(two).len(), 1);
    assert!(b.take(one).is_empty());
    assert!(
        tokio::time::timeout(SECOND, wake.notified()).await.is_err(),
        "nothing is left"
    );
    assert_eq!(b.queue.totals.delivered, 2);
}

#[tokio::test(start_paused = true)]
async fn messages_past_their_retention_are_dropped() {
    let retention = Duration::from_secs(600);
    let mut b = Bench::new(Rules {
        retention,
        ..Rules::default()
    });
    b.push("");
    b.later(300 * SECOND);
    b.push("");
    b.later(300 * SECOND);
    assert_eq!(b.queue.backlog(), 1);
    assert!(b.queue.due().is_some());
    b.later(300 * SECOND);
    assert_eq!((b.queue.backlog(), b.queue.due()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn retention_counts_for_what_is_leased_and_what_was_acked_too() {
    let retention = Duration::from_secs(600);
    let mut b = Bench::new(Rules {
        retention,
        retain_acked: true,
        ack_deadline: Duration::from_secs(500),
        ..Rules::default()
    });
    let owner = b.puller(Limit {
        messages: 2,
        bytes: 1 << 20,
    });
    let start = b.now;
    b.push("");
    b.push("");
    let taken = b.take(owner);
    assert!(b.queue.ack(taken[0].ack_id));
    b.later(200 * SECOND);
    b.push("");
    b.later(200 * SECOND);
    assert_eq!((b.queue.backlog(), b.queue.retained().count()), (2, 3));

    // The acked one and the leased one are too old now, the third is not for 200 seconds.
    b.later(200 * SECOND);
    assert_eq!((b.queue.backlog(), b.queue.retained().count()), (1, 1));
    assert_eq!((b.queue.ready_count, b.queue.outstanding()), (1, 0));
    assert_eq!(b.queue.due(), Some(start + 800 * SECOND));
    b.later(200 * SECOND);
    assert_eq!(
        (b.queue.backlog(), b.queue.ready_count, b.queue.due()),
        (0, 0, None)
    );
}

#[tokio::test(start_paused = true)]
async fn room_is_what_is_left_of_the_limit() {
    let mut b = Bench::new(Rules::default());
    let owner = b.puller(Limit {
        messages: 2,
        bytes: 1 << 20,
    });
    for _ in 0..5 {
        b.push("");
    }
    let first = b.take(owner);
    assert_eq!(first.len(), 2);
    b.queue.ack(first[0].ack_id);
    let second = b.take(owner);
    assert_eq!(second.len(), 1);
    b.nack(&second[0]);
    assert_eq!(b.take(owner).len(), 1);
    assert_eq!((b.queue.totals.acked, b.queue.totals.nacked), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_expired_lease_wakes_who_waits() {
    let mut b = Bench::new(Rules::default());
    let (holder, _) = b.queue.attach(WIDE, "");
    b.push("");
    assert_eq!(b.take(holder).len(), 1);
    let (_, wake) = b.queue.attach(WIDE, "");
    b.later(SECOND);
    assert!(
        tokio::time::timeout(SECOND, wake.notified()).await.is_err(),
        "it is leased"
    );
    b.later(10 * SECOND);
    tokio::time::timeout(SECOND, wake.notified())
        .await
        .expect("it can be had again");
}

#[tokio::test(start_paused = true)]
async fn replacing_the_backlog_takes_leases_back() {
    let mut b = Bench::new(Rules {
        retain_acked: true,
        ..Rules::default()
    });
    let owner = b.puller(WIDE);
    b.push("");
    b.push("");
    let taken = b.take(owner);
    b.queue.ack(taken[0].ack_id);
    let all: Vec<_> = b.queue.retained().cloned().collect();
    assert_eq!(all.len(), 2);
    b.queue.replace(all, Vec::new(), b.now);
    assert!(!b.queue.ack(taken[1].ack_id));
    assert_eq!((b.queue.backlog(), b.queue.outstanding()), (2, 0));
    assert_eq!(b.take(owner).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_acked_is_kept_as_long_as_the_rules_say_so() {
    let kept = Rules {
        retain_acked: true,
        ..Rules::default()
    };
    let mut b = Bench::new(kept.clone());
    let owner = b.puller(WIDE);
    b.push("");
    let taken = b.take(owner);
    b.queue.ack(taken[0].ack_id);
    b.queue.set_rules(kept, b.now);
    assert_eq!(b.queue.retained().count(), 1);
    b.queue.set_rules(Rules::default(), b.now);
    assert_eq!(b.queue.retained().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_due_before_the_first_message_is_too_old_unless_asked_for() {
    let mut b = Bench::new(Rules::default());
    b.push("");
    assert_eq!(b.queue.due(), Some(b.now + b.queue.rules.retention));
    b.queue.check_retention(b.now);
    assert_eq!(b.queue.due(), Some(b.now));
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(u8),
        Take(bool),
        Ack(usize),
        Nack(usize),
        Extend(usize),
        TakeBack(usize),
        Wait(u16),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0u8..4).prop_map(Step::Push),
            3 => any::<bool>().prop_map(Step::Take),
            3 => (0usize..50).prop_map(Step::Ack),
            1 => (0usize..50).prop_map(Step::Nack),
            1 => (0usize..50).prop_map(Step::Extend),
            1 => (0usize..50).prop_map(Step::TakeBack),
            1 => (0u16..20_000).prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 0..80)
    }

    /// Whatever clients do, the accounts agree, nothing is lost, and everything can be drained.
    fn run(steps: Vec<Step>, rules: Rules) {
        let ordering = rules.ordering;
        let mut b = Bench::new(rules);
        let owners = [
            b.puller(Limit {
                messages: 3,
                bytes: 1 << 20,
            }),
            b.puller(WIDE),
        ];
        let mut taken: Vec<Delivery> = Vec::new();
        let mut dead = 0;
        for step in steps {
            match step {
                Step::Push(key) => {
                    let _ = b.push(["", "a", "b", "c"][key as usize]);
                }
                Step::Take(which) => taken.extend(b.take(owners[usize::from(which)])),
                Step::Ack(i) if i < taken.len() => {
                    let _ = b.queue.ack(taken[i].ack_id);
                }
                Step::Nack(i) if i < taken.len() => {
                    let delivery = taken[i].clone();
                    dead += usize::from(b.nack(&delivery).is_some());
                }
                Step::Extend(i) if i < taken.len() => {
                    let _ = b.queue.extend(taken[i].ack_id, b.now + 30 * SECOND);
                }
                Step::TakeBack(i) if i < taken.len() => {
                    let ids: Vec<_> = taken[i..]
                        .iter()
                        .take(3)
                        .map(|delivery| delivery.ack_id)
                        .collect();
                    b.queue.take_back(&ids);
                }
                Step::Wait(ms) => dead += b.later(Duration::from_millis(ms.into())).len(),
                Step::Ack(_) | Step::Nack(_) | Step::Extend(_) | Step::TakeBack(_) => {}
            }
            let count =
                |wanted: fn(&State) -> bool| b.queue.slots.iter().filter(|e| wanted(&e.state)).count();
            assert_eq!(b.queue.ready_count, count(|s| *s == State::Ready));
            assert_eq!(b.queue.leased_count, count(|s| matches!(s, State::Leased { .. })));
            let timed = count(|s| matches!(s, State::Leased { .. } | State::Waiting { .. }));
            assert_eq!(b.queue.timers.len(), timed);
        }
        // The first puller leaves, and the second drains the rest.
        b.queue.detach(owners[0]);
        let mut rounds = 0;
        while b.queue.backlog() > 0 {
            let batch = b.take(owners[1]);
            if ordering {
                for key in ["a", "b", "c"] {
                    let ids: Vec<_> = batch
                        .iter()
                        .filter(|d| &*d.message.ordering_key == key)
                        .map(|d| d.message.id)
                        .collect();
                    assert!(ids.is_sorted(), "{key}: {ids:?}");
                }
            }
            for delivery in &batch {
                assert!(b.queue.ack(delivery.ack_id));
            }
            if batch.is_empty() {
                dead += b.later(40 * SECOND).len();
            }
            rounds += 1;
            assert!(rounds < 1000, "the queue does not drain");
        }
        assert_eq!(b.queue.slots.iter().count(), 0);
        assert!(dead as u64 == b.queue.totals.dead_lettered);
        assert!(b.queue.totals.acked + b.queue.totals.dead_lettered >= b.next - 1);
    }

    fn paused(body: impl FnOnce()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async { body() });
    }

    proptest! {
        #[test]
        fn unordered_queues_lose_nothing(steps in steps(), retry: bool, exactly_once: bool) {
            let retry = retry.then_some(RetryRule { minimum: SECOND, maximum: 4 * SECOND });
            paused(|| run(steps, Rules { exactly_once, retry, ..dead_letter() }));
        }

        #[test]
        fn ordered_queues_lose_nothing_and_keep_order(steps in steps(), retry: bool) {
            let retry = retry.then_some(RetryRule { minimum: SECOND, maximum: 4 * SECOND });
            paused(|| run(steps, Rules { ordering: true, retry, ..Rules::default() }));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reconnects_has_what_it_held_and_no_room_for_more() {
    let mut b = Bench::new(Rules {
        ordering: true,
        ..Rules::default()
    });
    let two = Limit {
        messages: 2,
        bytes: 1 << 20,
    };
    for key in ["k", "k", "", ""] {
        b.push(key);
    }
    let (first, _) = b.queue.attach(two, "worker");
    let held = b.take(first);
    assert_eq!(held.iter().map(|d| d.message.id).collect::<Vec<_>>(), [1, 2]);
    b.queue.detach(first);
    assert_eq!(b.queue.pullers(), 0);
    let (other, _) = b.queue.attach(two, "another");
    let (nobody, _) = b.queue.attach(two, "");
    let (second, _) = b.queue.attach(two, "worker");
    assert_eq!(b.queue.pullers(), 3);
    assert!(b.ids(second).is_empty(), "it holds two already");
    assert!(b.queue.ack(held[0].ack_id));
    assert_eq!(
        b.ids(second),
        [3],
        "an ack of the old stream's makes room in the new one"
    );
    assert_eq!(b.ids(nobody), [4]);
    assert!(b.ids(other).is_empty());
    // A stream beside the first is its own, whatever it is called.
    let (beside, _) = b.queue.attach(two, "worker");
    for _ in 0..2 {
        b.push("");
    }
    assert_eq!(b.ids(beside), [5], "a share of what is ready");
    // What ends without leases, or without a name, leaves nothing behind.
    b.queue.detach(other);
    b.queue.detach(nobody);
    b.queue.detach(second);
    b.queue.detach(beside);
    assert_eq!(b.queue.owners.known(), 2);
    b.later(Duration::from_secs(10));
    assert_eq!(b.queue.owners.known(), 0);
}
