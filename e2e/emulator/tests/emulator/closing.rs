//! Streams that close: what their client gives back is had by the next subscriber at once, and so is what the stream
//! never got round to sending. Only what has reached a client stays leased.

use crate::support::{
    Bench, eventually, message,
    streaming::{Requests, StreamingPull},
    subscription, topic,
};
use google_cloud_pubsub::subscriber::{MessageStream, handler::Handler};
use prost::Message as _;
use pubsub_emulator::{Totals, pb};
use std::{collections::BTreeSet, time::Duration};

const ACKNOWLEDGE: &str = "/google.pubsub.v1.Subscriber/Acknowledge";
const MODIFY_ACK_DEADLINE: &str = "/google.pubsub.v1.Subscriber/ModifyAckDeadline";
const PULL: &str = "/google.pubsub.v1.Subscriber/Pull";
/// Less than the shortest lease: what comes in this time was not waited for.
const AT_ONCE: Duration = Duration::from_secs(8);

impl Bench {
    async fn with_backlog(count: usize, bytes: usize) -> Self {
        let bench = Self::start().await;
        bench.create_topic("events").await;
        bench.create("sub", "events", |s| s).await;
        bench.publish_sized(count, bytes);
        bench
    }

    fn publish_sized(&self, count: usize, bytes: usize) {
        let messages = vec![message(&"x".repeat(bytes), &[]); count];
        self.emulator.publish(&topic("events"), messages).unwrap();
    }

    fn totals(&self) -> Totals {
        self.emulator.stats(&subscription("sub")).unwrap().totals
    }

    fn outstanding(&self) -> usize {
        self.emulator.stats(&subscription("sub")).unwrap().outstanding
    }

    fn open(&self, window: Option<u32>, limit: i64) -> impl Future<Output = StreamingPull> {
        let request = pb::StreamingPullRequest {
            subscription: subscription("sub"),
            stream_ack_deadline_seconds: 60,
            max_outstanding_messages: limit,
            ..pb::StreamingPullRequest::default()
        };
        StreamingPull::open(self.emulator.address(), window, request)
    }

    /// The second subscriber gets these many messages without waiting for any lease to end.
    async fn next_subscriber_gets(&self, count: usize) {
        let mut stream = self.subscriber().await.subscribe(subscription("sub")).build();
        let mut ids = BTreeSet::new();
        let all = async {
            while ids.len() < count {
                let (message, handler) = stream.next().await.unwrap().unwrap();
                ids.insert(message.message_id);
                handler.ack();
            }
        };
        let all = tokio::time::timeout(AT_ONCE, all).await;
        let stats = self.emulator.stats(&subscription("sub")).unwrap();
        assert!(all.is_ok(), "{} of {count} came; {stats:?}", ids.len());
        self.backlog_is("sub", 0).await;
        assert_eq!(self.totals().expired, 0, "leases ran out");
    }
}

async fn receive(stream: &mut MessageStream, count: usize) -> Vec<Handler> {
    let mut handlers = Vec::new();
    while handlers.len() < count {
        handlers.push(stream.next().await.unwrap().unwrap().1);
    }
    handlers
}

/// As a worker stops: it closes its stream, gives back what it holds, and waits for that to be known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_gives_back_at_its_stop_goes_to_the_next_one() {
    let bench = Bench::with_backlog(100, 1_000).await;
    let builder = bench.subscriber().await.subscribe(subscription("sub"));
    let mut stream = builder.set_max_outstanding_messages(100).build();
    let held = receive(&mut stream, 100).await;
    let shutdown = stream.shutdown_token();
    drop(stream);
    held.into_iter().for_each(Handler::nack);
    shutdown.shutdown().await;
    bench.next_subscriber_gets(100).await;
    assert_eq!(bench.totals().nacked, 100);
}

/// Its nacks and the end of its requests come in together, and the nacks free what it could be sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nacks_in_a_stream_that_ends_with_them() {
    let bench = Bench::with_backlog(100, 1_000).await;
    let mut stream = bench.open(None, 100).await;
    let mut ack_ids = Vec::new();
    while ack_ids.len() < 100 {
        let batch = stream.next().await.unwrap().unwrap();
        ack_ids.extend(
            batch
                .received_messages
                .into_iter()
                .map(|received| received.ack_id),
        );
    }
    stream.send(&pb::StreamingPullRequest {
        modify_deadline_seconds: vec![0; ack_ids.len()],
        modify_deadline_ack_ids: ack_ids,
        ..pb::StreamingPullRequest::default()
    });
    stream.half_close();
    assert!(stream.next().await.is_none(), "something was sent after the end");
    bench.next_subscriber_gets(100).await;
}

/// A unary nack that comes in right behind the end of the requests, on the same connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nacks_behind_the_end_of_a_stream() {
    let bench = Bench::with_backlog(100, 1_000).await;
    let mut stream = bench.open(None, 100).await;
    let mut ack_ids = Vec::new();
    while ack_ids.len() < 100 {
        let batch = stream.next().await.unwrap().unwrap();
        ack_ids.extend(
            batch
                .received_messages
                .into_iter()
                .map(|received| received.ack_id),
        );
    }
    stream.half_close();
    assert!(stream.next().await.is_none());
    let nack = pb::ModifyAckDeadlineRequest {
        subscription: subscription("sub"),
        ack_ids,
        ack_deadline_seconds: 0,
    };
    stream
        .unary(MODIFY_ACK_DEADLINE, nack.encode_to_vec())
        .await
        .unwrap();
    bench.next_subscriber_gets(100).await;
}

/// The client reads nothing, so the connection's window fills with the first batch, and it goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_leased_and_never_sent_is_free_at_once() {
    // The smallest window that HTTP/2 begins with: a part of the first message fits.
    let bench = Bench::with_backlog(20, 200_000).await;
    let stream = bench.open(Some(65_535), 10).await;
    eventually("the leases", || bench.outstanding() > 0).await;
    drop(stream);
    eventually("the leases to end", || bench.outstanding() == 0).await;
    assert_eq!(
        (bench.totals().delivered, bench.totals().nacked),
        (0, 0),
        "nothing was delivered"
    );
    bench.next_subscriber_gets(20).await;
}

/// The same when the whole connection goes, and for a single pull.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_connection_takes_with_it_is_free_at_once() {
    let bench = Bench::with_backlog(20, 200_000).await;
    let stream = bench.open(Some(65_535), 10).await;
    let requests: Requests = stream.requests.clone();
    let pull = pb::PullRequest {
        subscription: subscription("sub"),
        max_messages: 5,
        ..pb::PullRequest::default()
    };
    eventually("the stream's fill", || bench.outstanding() == 10).await;
    let call = stream.unary(PULL, pull.encode_to_vec());
    let leased = eventually("the pull's leases", || bench.outstanding() == 15);
    tokio::select! {
        answer = call => panic!("it came through a full window: {answer:?}"),
        () = leased => {}
    }
    drop((stream, requests));
    eventually("the leases to end", || bench.outstanding() == 0).await;
    bench.next_subscriber_gets(20).await;
}

/// What a client has in its hands is its own until the lease ends, whatever becomes of its stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_reached_the_client_stays_leased() {
    let bench = Bench::with_backlog(10, 1_000).await;
    let mut stream = bench.open(None, 100).await;
    let mut ack_ids = Vec::new();
    while ack_ids.len() < 10 {
        let batch = stream.next().await.unwrap().unwrap();
        ack_ids.extend(
            batch
                .received_messages
                .into_iter()
                .map(|received| received.ack_id),
        );
    }
    drop(stream);
    let gone = || bench.emulator.stats(&subscription("sub")).unwrap().pullers == 0;
    eventually("the stream to go", gone).await;
    assert_eq!(bench.outstanding(), 10);
    let ack = pb::AcknowledgeRequest {
        subscription: subscription("sub"),
        ack_ids,
    };
    let other = bench.open(None, 100).await;
    other.unary(ACKNOWLEDGE, ack.encode_to_vec()).await.unwrap();
    assert_eq!((bench.outstanding(), bench.totals().acked), (0, 10));
}
