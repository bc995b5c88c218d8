//! Between a worker and Redis: stops the answer to a note of an effect, or lets it pass and says so at once.

use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// What happens to the answer that the trap waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Withheld,
    Passed,
}

type Trap = Arc<Mutex<Option<(Answer, mpsc::UnboundedSender<()>)>>>;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    trap: Trap,
}

impl Proxy {
    pub(crate) async fn start(redis_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let trap = Trap::default();
        let shared = Arc::clone(&trap);
        tokio::spawn(async move {
            while let Ok((worker, _)) = listener.accept().await {
                worker.set_nodelay(true).unwrap();
                // A Redis that is down refuses, and so do we.
                if let Ok(redis) = TcpStream::connect(("127.0.0.1", redis_port)).await {
                    redis.set_nodelay(true).unwrap();
                    tokio::spawn(carry(worker, redis, redis_port, Arc::clone(&shared)));
                }
            }
        });
        Self { address, trap }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Springs at the next answer to a note of an effect.
    pub(crate) fn trap(&self, answer: Answer) -> mpsc::UnboundedReceiver<()> {
        let (sender, sprung) = mpsc::unbounded_channel();
        *self.trap.lock() = Some((answer, sender));
        sprung
    }

    pub(crate) fn disarm(&self) {
        *self.trap.lock() = None;
    }
}

/// The key and the value of a note of an effect, if a command in these bytes is one.
fn note(bytes: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let mut key = None;
    for word in text.split("\r\n") {
        if word.starts_with("event-worker:") {
            key = Some(word.to_owned());
        } else if word.starts_with("done ") {
            return Some((key?, word.to_owned()));
        }
    }
    None
}

/// Carries bytes both ways until either side has closed.
async fn carry(worker: TcpStream, redis: TcpStream, redis_port: u16, trap: Trap) {
    let (mut from_worker, mut to_worker) = worker.into_split();
    let (mut from_redis, mut to_redis) = redis.into_split();
    let noting: Arc<Mutex<Option<(String, String)>>> = Arc::default();
    let seen = Arc::clone(&noting);
    let there = tokio::spawn(async move {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from_worker.read(&mut buffer).await {
            let bytes = &buffer[..count];
            if let Some(note) = note(bytes) {
                seen.lock().get_or_insert(note);
            }
            if to_redis.write_all(bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from_redis.read(&mut buffer).await {
        // Answers come in the order of commands, so this may be one to an earlier command: Redis knows.
        let pending = noting.lock().clone();
        let armed = trap.lock().is_some();
        let noted = match pending {
            Some((key, value)) if armed => {
                let mut redis = super::redis::connect(format!("redis://127.0.0.1:{redis_port}")).await;
                let mut get = redis::cmd("GET");
                let found: Option<String> = get.arg(key).query_async(&mut redis).await.unwrap();
                found == Some(value)
            }
            _ => false,
        };
        let sprung = match noted {
            true => trap.lock().take(),
            false => None,
        };
        match sprung {
            Some((Answer::Withheld, sprung)) => {
                // The note is written, and nobody is told.
                let _ = sprung.send(());
                break;
            }
            Some((Answer::Passed, sprung)) => {
                let passed = to_worker.write_all(&buffer[..count]).await;
                let _ = sprung.send(());
                if passed.is_err() {
                    break;
                }
            }
            None => {
                if to_worker.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
            }
        }
    }
    // A worker whose answer is withheld must not notice that anybody closed: it is killed first.
    let _ = there.await;
    drop(to_worker);
}
