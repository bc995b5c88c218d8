//! What survives the process: an embedded store that changes are written to in the background, many
//! per transaction, and that a reply waits for.
//!
//! Keys are a byte for the kind and the name or number; values are protobuf. Backlogs are stored as
//! pairs of subscription and message, and a message by itself once, for as long as anything holds it.

mod load;
mod writer;

pub(crate) use load::Loaded;

use crate::status::{Code, Result, Status};
use anyhow::Context as _;
use bytes::Bytes;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::{mpsc, watch};

/// What a key is of; the byte is part of the file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Project = b'p',
    Topic = b't',
    Subscription = b's',
    Snapshot = b'n',
    Schema = b'h',
    Policy = b'i',
    Message = b'm',
    /// Incarnation of a subscription and id of a message.
    Backlog = b'b',
    /// Name of a topic, a zero byte, and id of a message that it retains.
    Retained = b'r',
    /// Name of a snapshot, a zero byte, and id of a message in it.
    InSnapshot = b'k',
}

enum Op {
    Put(Vec<u8>, Bytes),
    Delete(Vec<u8>),
    DeletePrefix(Vec<u8>),
    /// The writer ends, and lets go of the files.
    Close,
}

/// The way to the store. Without a data directory there is none, and everything is in memory.
#[derive(Debug)]
pub(crate) struct Store {
    ops: mpsc::UnboundedSender<Op>,
    sent: AtomicU64,
    /// Operations that are on disk; `Err` once the disk failed.
    committed: watch::Receiver<std::result::Result<u64, ()>>,
    closed: AtomicBool,
}

impl Store {
    /// Opens or makes the store, and reads what is in it.
    pub(crate) fn open(directory: &Path) -> anyhow::Result<(Arc<Self>, Loaded)> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let path = directory.join("pubsub.redb");
        let database = redb::Database::create(&path).with_context(|| {
            format!(
                "cannot open {}; is another emulator running on it?",
                path.display()
            )
        })?;
        let loaded = load::load(&database)?;
        let (ops, receiver) = mpsc::unbounded_channel();
        let (sender, committed) = watch::channel(Ok(0));
        std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                writer::run(&database, receiver, &sender);
                // Before the channel, whose end tells that the files are free.
                drop(database);
                drop(sender);
            })?;
        Ok((
            Arc::new(Self {
                ops,
                sent: AtomicU64::new(0),
                committed,
                closed: AtomicBool::new(false),
            }),
            loaded,
        ))
    }

    pub(crate) fn put(&self, kind: Kind, key: &[u8], value: impl Into<Bytes>) {
        self.send(Op::Put(full(kind, key), value.into()));
    }

    pub(crate) fn delete(&self, kind: Kind, key: &[u8]) {
        self.send(Op::Delete(full(kind, key)));
    }

    pub(crate) fn delete_prefix(&self, kind: Kind, prefix: &[u8]) {
        self.send(Op::DeletePrefix(full(kind, prefix)));
    }

    fn send(&self, op: Op) {
        if !self.closed.load(Ordering::Acquire) {
            self.sent.fetch_add(1, Ordering::AcqRel);
            // The receiver only goes when the disk failed, which `flush` reports.
            let _ = self.ops.send(op);
        }
    }

    /// Waits until everything sent so far is on disk.
    pub(crate) async fn flush(&self) -> Result<()> {
        let sent = self.sent.load(Ordering::Acquire);
        let failed = || {
            Status::new(
                Code::Internal,
                "The emulator could not write to its data directory.",
            )
        };
        if self.closed.load(Ordering::Acquire) {
            return Err(Status::new(Code::Unavailable, "The emulator is shutting down."));
        }
        let mut committed = self.committed.clone();
        let reached = committed
            .wait_for(|committed| committed.is_err_or(|count| count >= sent))
            .await;
        match reached.map(|count| *count) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(())) | Err(_) => Err(failed()),
        }
    }

    /// From now on nothing changes the store: what is dropped with the process is not deleted.
    pub(crate) fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            let _ = self.ops.send(Op::Close);
        }
    }

    /// Waits until the files are free for another emulator.
    pub(crate) async fn closed(&self) {
        let mut committed = self.committed.clone();
        while committed.changed().await.is_ok() {}
    }
}

/// `Result::is_ok_and`, but true for errors.
trait IsErrOr<T> {
    fn is_err_or(&self, test: impl FnOnce(T) -> bool) -> bool;
}

impl<T: Copy, E> IsErrOr<T> for std::result::Result<T, E> {
    fn is_err_or(&self, test: impl FnOnce(T) -> bool) -> bool {
        self.as_ref().map_or(true, |value| test(*value))
    }
}

fn full(kind: Kind, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(key.len() + 1);
    full.push(kind as u8);
    full.extend_from_slice(key);
    full
}

/// Key of a message in a subscription's backlog.
pub(crate) fn backlog_key(incarnation: u32, message: u64) -> [u8; 12] {
    let mut key = [0; 12];
    let (left, right) = key.split_at_mut(4);
    left.copy_from_slice(&incarnation.to_be_bytes());
    right.copy_from_slice(&message.to_be_bytes());
    key
}

/// Key of a message that a named thing holds. Names have no zero byte.
pub(crate) fn held_key(name: &str, message: u64) -> Vec<u8> {
    let mut key = held_prefix(name);
    key.extend_from_slice(&message.to_be_bytes());
    key
}

pub(crate) fn held_prefix(name: &str) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    key.push(0);
    key
}
