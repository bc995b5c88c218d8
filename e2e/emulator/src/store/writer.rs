//! The thread that writes: takes whatever has come, and commits it in one transaction.

use super::Op;
use bytes::Bytes;
use redb::{Database, ReadableDatabase as _, TableDefinition};
use std::collections::BTreeMap;
use tokio::sync::{mpsc, watch};

pub(super) const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("pubsub");

/// Operations of one transaction: bounds its memory, and how long the first of them waits.
const BATCH: u64 = 50_000;

/// What a batch comes to. A message published and acked within it never touches the disk.
#[derive(Default)]
struct Batch {
    prefixes: Vec<Vec<u8>>,
    values: BTreeMap<Vec<u8>, Option<Bytes>>,
    operations: u64,
    /// Nothing comes after it.
    last: bool,
}

impl Batch {
    fn add(&mut self, op: Op) {
        self.operations += 1;
        match op {
            Op::Put(key, value) => drop(self.values.insert(key, Some(value))),
            Op::Delete(key) => drop(self.values.insert(key, None)),
            Op::Close => self.last = true,
            Op::DeletePrefix(prefix) => {
                self.values.retain(|key, _| !key.starts_with(&prefix));
                self.prefixes.push(prefix);
            }
        }
    }

    fn commit(&self, database: &Database) -> Result<(), redb::Error> {
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(TABLE)?;
            // First: values put after a prefix was deleted are among the values.
            for prefix in &self.prefixes {
                let end = after(prefix);
                table.retain_in::<&[u8], _>(prefix.as_slice()..end.as_slice(), |_, _| false)?;
            }
            for (key, value) in &self.values {
                match value {
                    Some(value) => drop(table.insert(key.as_slice(), value.as_ref())?),
                    None => drop(table.remove(key.as_slice())?),
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }
}

/// The first key behind all that begin with the prefix.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    end
}

pub(super) fn run(
    database: &Database,
    mut operations: mpsc::UnboundedReceiver<Op>,
    committed: &watch::Sender<Result<u64, ()>>,
) {
    let mut done = 0;
    while let Some(first) = operations.blocking_recv() {
        let mut batch = Batch::default();
        batch.add(first);
        while batch.operations < BATCH && !batch.last {
            match operations.try_recv() {
                Ok(op) => batch.add(op),
                Err(_) => break,
            }
        }
        if let Err(error) = batch.commit(database) {
            tracing::error!(%error, "Could not write to the data directory; nothing is stored from here on.");
            let _ = committed.send_replace(Err(()));
            return;
        }
        done += batch.operations;
        let _ = committed.send_replace(Ok(done));
        if batch.last {
            return;
        }
    }
}

/// All entries, in order of their keys.
pub(super) fn read_all(database: &Database) -> Result<Vec<(Vec<u8>, Bytes)>, redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(TABLE)?;
    transaction.commit()?;
    let transaction = database.begin_read()?;
    let table = transaction.open_table(TABLE)?;
    let mut all = Vec::new();
    for entry in table.range::<&[u8]>(..)? {
        let (key, value) = entry?;
        all.push((key.value().to_vec(), Bytes::copy_from_slice(value.value())));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::after;

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(after(b"ab"), b"ac");
        assert_eq!(after(b"a\xff"), b"b");
    }
}
