//! What exists, by name.

use super::{
    projects::Project, schemas::SchemaCell, snapshots::Snapshot, subscription::Subscription, topic::Topic,
};
use crate::{
    names::Name,
    status::{Result, Status},
};
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

/// Ordered by name, because lists are.
#[derive(Default)]
pub(super) struct Registry {
    pub(super) topics: BTreeMap<Name, Arc<Topic>>,
    pub(super) subscriptions: BTreeMap<Name, Arc<Subscription>>,
    pub(super) snapshots: BTreeMap<Name, Arc<Snapshot>>,
    pub(super) schemas: BTreeMap<Name, Arc<SchemaCell>>,
    pub(super) projects: BTreeMap<String, Arc<Project>>,
}

impl Registry {
    pub(super) fn topic(&self, name: &Name) -> Result<&Arc<Topic>> {
        self.topics
            .get(name)
            .ok_or_else(|| Status::not_found(name.as_str()))
    }

    pub(super) fn subscription(&self, name: &Name) -> Result<&Arc<Subscription>> {
        self.subscriptions
            .get(name)
            .ok_or_else(|| Status::not_found(name.as_str()))
    }

    pub(super) fn snapshot(&self, name: &Name) -> Result<&Arc<Snapshot>> {
        self.snapshots
            .get(name)
            .ok_or_else(|| Status::not_found(name.as_str()))
    }

    pub(super) fn schema(&self, name: &Name) -> Result<&Arc<SchemaCell>> {
        self.schemas
            .get(name)
            .ok_or_else(|| Status::not_found(name.as_str()))
    }
}

/// The entries of one project's collection, by name, after the given name.
pub(super) fn within<'a, T>(
    map: &'a BTreeMap<Name, T>,
    project: &str,
    collection: &str,
    after: &'a str,
) -> impl Iterator<Item = (&'a Name, &'a T)> {
    let prefix = format!("projects/{project}/{collection}/");
    let start = if after.is_empty() {
        prefix.clone()
    } else {
        after.to_owned()
    };
    map.range::<str, _>((Bound::Excluded(start.as_str()), Bound::Unbounded))
        .take_while(move |(name, _)| name.as_str().starts_with(&prefix))
}

/// Has a project's collection reached its limit? Counts only when all projects together have.
pub(super) fn is_full<T>(map: &BTreeMap<Name, T>, project: &str, collection: &str, limit: usize) -> bool {
    map.len() >= limit && within(map, project, collection, "").count() >= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collection_is_a_range_of_names() {
        let names = [
            "projects/a/topics/xxx",
            "projects/b/topics/one",
            "projects/b/topics/two",
            "projects/bb/topics/xxx",
        ];
        let map: BTreeMap<Name, u8> = names.iter().map(|n| (Name::topic(n).unwrap(), 0)).collect();
        let of = |after: &str| {
            within(&map, "b", "topics", after)
                .map(|(n, _)| n.id().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(of(""), ["one", "two"]);
        assert_eq!(of("projects/b/topics/one"), ["two"]);
    }
}
