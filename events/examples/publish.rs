//! Publishes two events of one document.

use std::io::Write as _;

use events::{Catalogue, Connection, EventFactory, ProjectId, PublishOptions, Publisher, TenantId};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let project = ProjectId::parse("your-project")?;
    let catalogue = Catalogue::from_file("config/operator.yaml", Some(&project))?;
    let publisher = Publisher::builder(catalogue)
        .build(&Connection::from_env())
        .await?;

    let tenant = TenantId::parse("tenant-123")?;
    let events = EventFactory::new("ingest");
    let ingested = events
        .document_ingested(&tenant, "doc-456", "Important Document", "pdf")
        .size_bytes(4_096)
        .user("user-789")
        .build();
    let deleted = events
        .document_deleted(&tenant, "doc-456")
        .caused_by(&ingested)
        .build();

    for event in [&ingested, &deleted] {
        // Events of one ordering key reach an ordered subscription in the order of their publishing.
        let options = PublishOptions::ordered("doc-456");
        match publisher.publish_with(event, &options).await {
            Ok(message_id) => writeln!(std::io::stdout(), "{message_id}")?,
            Err(error) if error.is_retryable() => anyhow::bail!("publish the same event again: {error}"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
