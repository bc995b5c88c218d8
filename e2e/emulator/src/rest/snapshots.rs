//! Paths of snapshots.

use super::{request::Reply, routes::Request, tables as t};
use crate::{pb, status::Result};

impl Request<'_> {
    pub(super) async fn snapshots(&self, verb: &str, segments: &[&str], action: &str) -> Result<Reply> {
        let (api, caller, name) = (self.api, self.caller, self.name.clone());
        match (verb, segments.len(), action) {
            ("GET", 3, "") => {
                let (page_size, page_token) = self.page()?;
                let request = pb::ListSnapshotsRequest {
                    project: self.parent(),
                    page_size,
                    page_token,
                };
                Ok(Reply::of(
                    &api.list_snapshots(caller, request).await?,
                    &t::SNAPSHOTS,
                ))
            }
            ("PUT", 4, "") => {
                let request = pb::CreateSnapshotRequest {
                    name,
                    ..self.read(&t::CREATE_SNAPSHOT)?
                };
                Ok(Reply::of(
                    &api.create_snapshot(caller, request).await?,
                    &t::SNAPSHOT,
                ))
            }
            ("GET", 4, "") => Ok(Reply::of(
                &api.get_snapshot(caller, pb::GetSnapshotRequest { snapshot: name })
                    .await?,
                &t::SNAPSHOT,
            )),
            ("PATCH", 4, "") => {
                let mut request: pb::UpdateSnapshotRequest = self.read_update(&t::UPDATE_SNAPSHOT)?;
                request.snapshot.get_or_insert_default().name = name;
                Ok(Reply::of(
                    &api.update_snapshot(caller, request).await?,
                    &t::SNAPSHOT,
                ))
            }
            ("DELETE", 4, "") => api
                .delete_snapshot(caller, pb::DeleteSnapshotRequest { snapshot: name })
                .await
                .map(|()| Reply::empty()),
            _ => Err(self.unknown(verb, action)),
        }
    }
}
