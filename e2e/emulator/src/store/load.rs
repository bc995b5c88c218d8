//! What the store held when it was opened.

use super::{Kind, writer::read_all};
use crate::{iam_pb, pb};
use bytes::Bytes;
use prost::Message as _;
use std::collections::BTreeMap;

/// Everything, decoded. Names are keys, as they were when they were stored.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) projects: BTreeMap<String, u64>,
    pub(crate) topics: Vec<pb::Topic>,
    /// With their incarnations.
    pub(crate) subscriptions: Vec<(u32, pb::Subscription)>,
    pub(crate) snapshots: Vec<pb::Snapshot>,
    /// Revisions of each schema, oldest first.
    pub(crate) schemas: Vec<(String, Vec<pb::Schema>)>,
    pub(crate) policies: Vec<(String, iam_pb::Policy)>,
    pub(crate) messages: BTreeMap<u64, Bytes>,
    pub(crate) backlogs: BTreeMap<u32, Vec<u64>>,
    pub(crate) retained: BTreeMap<String, Vec<u64>>,
    pub(crate) in_snapshots: BTreeMap<String, Vec<u64>>,
}

pub(super) fn load(database: &redb::Database) -> anyhow::Result<Loaded> {
    let mut loaded = Loaded::default();
    for (key, value) in read_all(database)? {
        if let Some((kind, key)) = key.split_first() {
            loaded.add(*kind, key, value)?;
        }
    }
    Ok(loaded)
}

impl Loaded {
    fn add(&mut self, kind: u8, key: &[u8], value: Bytes) -> anyhow::Result<()> {
        let name = || String::from_utf8_lossy(key).into_owned();
        match kind {
            k if k == Kind::Project as u8 => drop(self.projects.insert(name(), number(&value))),
            k if k == Kind::Topic as u8 => self.topics.push(pb::Topic::decode(value)?),
            k if k == Kind::Subscription as u8 => {
                let (incarnation, config) = value.split_at_checked(4).unwrap_or_default();
                let incarnation = u32::try_from(number(incarnation))?;
                self.subscriptions
                    .push((incarnation, pb::Subscription::decode(config)?));
            }
            k if k == Kind::Snapshot as u8 => self.snapshots.push(pb::Snapshot::decode(value)?),
            k if k == Kind::Schema as u8 => {
                self.schemas
                    .push((name(), pb::ListSchemasResponse::decode(value)?.schemas));
            }
            k if k == Kind::Policy as u8 => self.policies.push((name(), iam_pb::Policy::decode(value)?)),
            k if k == Kind::Message as u8 => drop(self.messages.insert(number(key), value)),
            k if k == Kind::Backlog as u8 => {
                let (incarnation, message) = key.split_at_checked(4).unwrap_or_default();
                self.backlogs
                    .entry(u32::try_from(number(incarnation))?)
                    .or_default()
                    .push(number(message));
            }
            k if k == Kind::Retained as u8 => held(&mut self.retained, key),
            k if k == Kind::InSnapshot as u8 => held(&mut self.in_snapshots, key),
            other => anyhow::bail!("the data directory was written by another version: unknown kind {other}"),
        }
        Ok(())
    }
}

fn held(map: &mut BTreeMap<String, Vec<u64>>, key: &[u8]) {
    let (name, message) = key
        .split_at_checked(key.len().saturating_sub(9))
        .unwrap_or_default();
    let message = number(message.get(1..).unwrap_or_default());
    map.entry(String::from_utf8_lossy(name).into_owned())
        .or_default()
        .push(message);
}

/// Big-endian, as many bytes as there are.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
