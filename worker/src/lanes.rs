//! In order where order was asked for: the messages of one key go one after the other, and none overtakes one that
//! was given back.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::message::Delivery;

/// The messages of an ordered subscription that wait for an earlier one of their key.
#[derive(Default, Clone)]
pub(crate) struct Lanes(Arc<Mutex<HashMap<String, VecDeque<Delivery>>>>);

impl Lanes {
    /// Queues a delivery behind an earlier one of its key; returns it when there is none and it may go now.
    pub(crate) fn queue(&self, delivery: Delivery) -> Option<Delivery> {
        let key = delivery.message.ordering_key.clone();
        let mut lanes = self.0.lock();
        if let Some(lane) = lanes.get_mut(&key) {
            lane.push_back(delivery);
            return None;
        }
        lanes.insert(key, VecDeque::new());
        Some(delivery)
    }

    /// The next of a key, once the one before is done with. When that one was given back, those behind it are given
    /// back too: Pub/Sub delivers all of them again, in order.
    pub(crate) fn next(&self, key: &str, done: bool) -> Option<Delivery> {
        let mut lanes = self.0.lock();
        let lane = lanes.get_mut(key)?;
        if done && let Some(next) = lane.pop_front() {
            return Some(next);
        }
        let rest = lanes.remove(key);
        drop(lanes);
        rest.into_iter()
            .flatten()
            .for_each(|delivery| delivery.lease.nack());
        None
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use tokio::sync::mpsc;

    use super::*;
    use crate::message::{Lease, Message, NotConfirmed};

    struct Told(u32, mpsc::UnboundedSender<u32>);

    #[async_trait]
    impl Lease for Told {
        async fn ack(self: Box<Self>) -> Result<(), NotConfirmed> {
            Ok(())
        }
        fn nack(self: Box<Self>) {
            self.1.send(self.0).unwrap();
        }
    }

    fn delivery(key: &str, number: u32, nacked: &mpsc::UnboundedSender<u32>) -> Delivery {
        Delivery {
            message: Message {
                subscription: "projects/acme-events/subscriptions/sub-1".parse().unwrap(),
                message_id: "1".to_owned(),
                data: bytes::Bytes::new(),
                attributes: HashMap::new(),
                published_at: None,
                ordering_key: key.to_owned(),
                in_order: false,
                superseded: false,
                delivery_attempt: Some(number),
            },
            lease: Box::new(Told(number, nacked.clone())),
        }
    }

    #[test]
    fn one_at_a_time_per_key_and_in_order() {
        let (nacked, _keep) = mpsc::unbounded_channel();
        let lanes = Lanes::default();
        assert!(lanes.queue(delivery("a", 1, &nacked)).is_some());
        assert!(lanes.queue(delivery("a", 2, &nacked)).is_none());
        assert!(lanes.queue(delivery("a", 3, &nacked)).is_none());
        assert!(lanes.queue(delivery("b", 4, &nacked)).is_some());
        let mut order = Vec::new();
        while let Some(next) = lanes.next("a", true) {
            order.push(next.message.delivery_attempt.unwrap());
        }
        assert_eq!(order, [2, 3]);
        assert!(lanes.queue(delivery("a", 5, &nacked)).is_some());
    }

    #[test]
    fn none_overtakes_one_that_was_given_back() {
        let (nacked, mut told) = mpsc::unbounded_channel();
        let lanes = Lanes::default();
        lanes.queue(delivery("a", 1, &nacked));
        lanes.queue(delivery("a", 2, &nacked));
        lanes.queue(delivery("a", 3, &nacked));
        assert!(lanes.next("a", false).is_none());
        assert_eq!([told.try_recv().unwrap(), told.try_recv().unwrap()], [2, 3]);
        assert!(lanes.queue(delivery("a", 2, &nacked)).is_some());
    }
}
