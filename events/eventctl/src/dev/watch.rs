//! `--watch`: what is new in the catalogue is made while everything runs.

use std::{path::PathBuf, sync::Arc, time::Duration};

use events::{Catalogue, Connection, ProjectId, Publisher, SubscriptionName, TenantId};

use super::started::write_list;
use crate::{dead_letters::Watcher, output, plane::Plane, server::Dev, topics};

/// How often the file is read.
const EACH: Duration = Duration::from_millis(500);

pub(super) struct Watch {
    pub(super) path: PathBuf,
    pub(super) project: ProjectId,
    /// Each worker's file with its subscriptions.
    pub(super) tenants: Vec<(TenantId, PathBuf)>,
    pub(super) plane: Plane,
    pub(super) connection: Connection,
    pub(super) watcher: Watcher,
    pub(super) dev: Arc<Dev>,
}

impl Watch {
    /// Reads the file again and again. One that cannot be read changes nothing, and is complained about once.
    pub(super) async fn run(self, mut current: Catalogue) {
        let mut complaint = String::new();
        let mut watched = self.plane.watch(&current).await.unwrap_or_default();
        loop {
            tokio::time::sleep(EACH).await;
            let read = topics::catalogue(Some(&self.path), &self.project, None);
            let changed = match read {
                Ok(catalogue) if catalogue == current => {
                    complaint.clear();
                    continue;
                }
                Ok(catalogue) => self.change(&catalogue, &mut watched).await.map(|()| catalogue),
                Err(error) => Err(error),
            };
            match changed {
                Ok(catalogue) => {
                    let topics = catalogue.topics().count();
                    let _ = output::print(&format!(
                        "The catalogue has changed; it has {topics} topics now.\n"
                    ));
                    complaint.clear();
                    current = catalogue;
                }
                Err(error) => {
                    let text = format!("{error:#}");
                    if text != complaint {
                        output::complain(&error.context("the catalogue stays as it was"));
                        complaint = text;
                    }
                }
            }
        }
    }

    async fn change(&self, catalogue: &Catalogue, watched: &mut Vec<SubscriptionName>) -> anyhow::Result<()> {
        let tenants: Vec<TenantId> = self.tenants.iter().map(|(tenant, _)| tenant.clone()).collect();
        self.plane.make(catalogue, &tenants).await?;
        for name in self.plane.watch(catalogue).await? {
            if !watched.contains(&name) {
                self.watcher.watch(name.clone());
                watched.push(name);
            }
        }
        for (tenant, list) in &self.tenants {
            write_list(list, tenant, catalogue)?;
        }
        let publisher = Publisher::builder(catalogue.clone())
            .build(&self.connection)
            .await?;
        *self.dev.publisher.write() = publisher;
        Ok(())
    }
}
