//! Leases whose messages have not left the server yet. A stream that ends takes what was still under way in the
//! server's own buffers with it, and nobody could ever acknowledge that: it is free again at once.

use super::subscription::Subscription;
use crate::queue::{AckId, Delivery};
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::Arc};

/// The deliveries of one response, from their lease until the transport has written their last byte. Every buffer that
/// holds a part of the response holds this too; when the last one is dropped, what was not written by then never will be.
#[derive(Default)]
pub(crate) struct Unsent(Mutex<Batches>);

#[derive(Default)]
struct Batches {
    /// Bytes of the response that were handed to the transport, and those that it wrote.
    handed_over: u64,
    written: u64,
    waiting: VecDeque<Batch>,
}

struct Batch {
    /// Where it ends in the response. A client can decode it only when it has all of it.
    end: u64,
    subscription: Arc<Subscription>,
    ack_ids: Vec<AckId>,
}

impl Unsent {
    /// Deliveries that are the response's next `bytes`.
    pub(crate) fn add(&self, subscription: &Arc<Subscription>, deliveries: &[Delivery], bytes: usize) {
        let mut batches = self.0.lock();
        batches.handed_over += bytes as u64;
        if !deliveries.is_empty() {
            let batch = Batch {
                end: batches.handed_over,
                subscription: subscription.clone(),
                ack_ids: deliveries.iter().map(|delivery| delivery.ack_id).collect(),
            };
            batches.waiting.push_back(batch);
        }
    }

    /// The transport has written more of the response. The leases of what is complete run on, whatever becomes of it:
    /// from the socket's buffer to the client's handler nothing reports back.
    pub(crate) fn written(&self, bytes: usize) {
        let mut batches = self.0.lock();
        batches.written += bytes as u64;
        while batches
            .waiting
            .front()
            .is_some_and(|batch| batch.end <= batches.written)
        {
            batches.waiting.pop_front();
        }
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        // From the last: each goes to the front of its queue.
        for batch in self.0.get_mut().waiting.drain(..).rev() {
            batch.subscription.queue(|queue| queue.take_back(&batch.ack_ids));
        }
    }
}
