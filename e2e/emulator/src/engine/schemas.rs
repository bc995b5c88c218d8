//! Schemas: stored with their revisions. Definitions are checked for form only, and messages are not
//! checked against them.

use super::{Engine, paging, registry::Registry, registry::within};
use crate::{
    clock,
    iam::PolicyCell,
    names::{self, Name},
    pb,
    status::{Code, Result, Status},
    store::Kind,
};
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;

/// A schema keeps at most this many revisions (quotas page, "Schema").
const MAX_REVISIONS: usize = 20;

pub(super) struct SchemaCell {
    /// Newest last, never empty.
    revisions: RwLock<Vec<pb::Schema>>,
    pub(super) policy: Mutex<PolicyCell>,
}

impl SchemaCell {
    /// A schema that the store holds already.
    pub(super) fn restore(revisions: Vec<pb::Schema>) -> Self {
        Self {
            revisions: RwLock::new(revisions),
            policy: Mutex::default(),
        }
    }

    fn newest(&self) -> pb::Schema {
        self.revisions.read().last().cloned().unwrap_or_default()
    }

    fn revision(&self, id: &str) -> Option<pb::Schema> {
        self.revisions
            .read()
            .iter()
            .find(|schema| schema.revision_id == id)
            .cloned()
    }
}

/// `…/schemas/s` or `…/schemas/s@revision`.
fn with_revision(text: &str) -> Result<(Name, Option<&str>)> {
    match text.split_once('@') {
        Some((name, revision)) => Ok((Name::schema(name)?, Some(revision))),
        None => Ok((Name::schema(text)?, None)),
    }
}

fn view(mut schema: pb::Schema, view: i32) -> pb::Schema {
    if view == i32::from(pb::SchemaView::Basic) {
        schema.definition.clear();
    }
    schema
}

fn check_definition(schema: &pb::Schema) -> Result<()> {
    let well_formed = match schema.r#type() {
        pb::schema::Type::Unspecified => return Err(Status::invalid("The schema type must be set.")),
        pb::schema::Type::Avro => serde_json::from_str::<serde_json::Value>(&schema.definition)
            .is_ok_and(|v| v.get("type").is_some()),
        pb::schema::Type::ProtocolBuffer => schema.definition.contains("message "),
    };
    if well_formed {
        Ok(())
    } else {
        Err(Status::invalid("Invalid schema definition."))
    }
}

impl Engine {
    fn schema(&self, name: &Name) -> Result<Arc<SchemaCell>> {
        self.registry.read().schema(name).cloned()
    }

    fn stamp(&self, mut schema: pb::Schema, name: &Name) -> pb::Schema {
        schema.name = name.to_string();
        schema.revision_id = format!("{:08x}", self.incarnation());
        schema.revision_create_time = Some(clock::timestamp(self.clock.wall_now()));
        schema
    }

    /// A topic may name only a schema that exists.
    pub(super) fn check_schema(registry: &Registry, topic: &pb::Topic) -> Result<()> {
        match topic
            .schema_settings
            .as_ref()
            .map(|settings| settings.schema.as_str())
        {
            None | Some(DELETED_SCHEMA) => Ok(()),
            Some(name) => registry.schema(&Name::schema(name)?).map(drop),
        }
    }

    pub(crate) fn create_schema(&self, request: pb::CreateSchemaRequest) -> Result<pb::Schema> {
        let project = names::project(&request.parent)?;
        let schema = request
            .schema
            .ok_or_else(|| Status::invalid("The schema must be set."))?;
        let name = Name::schema(&format!("projects/{project}/schemas/{}", request.schema_id))?;
        check_definition(&schema)?;
        let schema = self.stamp(schema, &name);
        let mut registry = self.registry.write();
        if registry.schemas.contains_key(&name) {
            return Err(Status::already_exists(name.as_str()));
        }
        let cell = SchemaCell {
            revisions: RwLock::new(vec![schema.clone()]),
            policy: Mutex::default(),
        };
        self.store_schema(name.as_str(), std::slice::from_ref(&schema));
        registry.schemas.insert(name, Arc::new(cell));
        Ok(schema)
    }

    pub(crate) fn get_schema(&self, request: &pb::GetSchemaRequest) -> Result<pb::Schema> {
        let (name, revision) = with_revision(&request.name)?;
        let cell = self.schema(&name)?;
        let schema = match revision {
            None => cell.newest(),
            Some(id) => cell
                .revision(id)
                .ok_or_else(|| Status::not_found(&request.name))?,
        };
        // Get answers in full unless asked for less; lists are the other way round.
        Ok(view(schema, request.view))
    }

    pub(crate) fn list_schemas(&self, request: &pb::ListSchemasRequest) -> Result<pb::ListSchemasResponse> {
        let project = names::project(&request.parent)?;
        let (size, after) = paging::request(request.page_size, &request.page_token)?;
        let registry = self.registry.read();
        let found: Vec<pb::Schema> = within(&registry.schemas, project, "schemas", &after)
            .map(|(_, cell)| view(cell.newest(), request.view.max(1)))
            .take(size + 1)
            .collect();
        let (schemas, next_page_token) = paging::cut(found, size, |schema| &schema.name);
        Ok(pb::ListSchemasResponse {
            schemas,
            next_page_token,
        })
    }

    pub(crate) fn list_schema_revisions(
        &self,
        request: &pb::ListSchemaRevisionsRequest,
    ) -> Result<pb::ListSchemaRevisionsResponse> {
        let cell = self.schema(&Name::schema(&request.name)?)?;
        // At most twenty, so one page holds them; newest first, as the service lists them.
        let schemas = cell
            .revisions
            .read()
            .iter()
            .rev()
            .map(|schema| view(schema.clone(), request.view.max(1)))
            .collect();
        Ok(pb::ListSchemaRevisionsResponse {
            schemas,
            next_page_token: String::new(),
        })
    }

    pub(crate) fn commit_schema(&self, request: pb::CommitSchemaRequest) -> Result<pb::Schema> {
        let name = Name::schema(&request.name)?;
        let schema = request
            .schema
            .ok_or_else(|| Status::invalid("The schema must be set."))?;
        let cell = self.schema(&name)?;
        if schema.r#type != cell.newest().r#type {
            return Err(Status::invalid("The type of a schema cannot change."));
        }
        check_definition(&schema)?;
        self.add_revision(&cell, schema, &name)
    }

    pub(crate) fn rollback_schema(&self, request: &pb::RollbackSchemaRequest) -> Result<pb::Schema> {
        let name = Name::schema(&request.name)?;
        let cell = self.schema(&name)?;
        let earlier = cell
            .revision(&request.revision_id)
            .ok_or_else(|| Status::not_found(&request.revision_id))?;
        self.add_revision(&cell, earlier, &name)
    }

    fn add_revision(&self, cell: &SchemaCell, schema: pb::Schema, name: &Name) -> Result<pb::Schema> {
        let mut revisions = cell.revisions.write();
        if revisions.len() >= MAX_REVISIONS {
            return Err(Status::new(
                Code::ResourceExhausted,
                format!("A schema has at most {MAX_REVISIONS} revisions."),
            ));
        }
        let schema = self.stamp(schema, name);
        revisions.push(schema.clone());
        self.store_schema(name.as_str(), &revisions);
        Ok(schema)
    }

    pub(crate) fn delete_schema_revision(
        &self,
        request: &pb::DeleteSchemaRevisionRequest,
    ) -> Result<pb::Schema> {
        let (name, revision) = with_revision(&request.name)?;
        let revision = revision.ok_or_else(|| Status::invalid("The name must end with @ and a revision."))?;
        let cell = self.schema(&name)?;
        let mut revisions = cell.revisions.write();
        let known = revisions.iter().position(|schema| schema.revision_id == revision);
        let position = known.ok_or_else(|| Status::not_found(&request.name))?;
        if revisions.len() == 1 {
            return Err(Status::precondition(
                "The only revision of a schema cannot be deleted.",
            ));
        }
        revisions.remove(position);
        self.store_schema(name.as_str(), &revisions);
        Ok(revisions.last().cloned().unwrap_or_default())
    }

    pub(crate) fn delete_schema(&self, request: &pb::DeleteSchemaRequest) -> Result<()> {
        let name = Name::schema(&request.name)?;
        let mut registry = self.registry.write();
        registry
            .schemas
            .remove(&name)
            .ok_or_else(|| Status::not_found(name.as_str()))?;
        for topic in registry.topics.values() {
            let mut config = topic.config.write();
            if let Some(settings) = config
                .schema_settings
                .as_mut()
                .filter(|settings| settings.schema == name.as_str())
            {
                DELETED_SCHEMA.clone_into(&mut settings.schema);
                self.store_topic(&config);
            }
        }
        self.store_deletion(Kind::Schema, name.as_str(), None);
        Ok(())
    }

    pub(crate) fn validate_schema(request: &pb::ValidateSchemaRequest) -> Result<pb::ValidateSchemaResponse> {
        names::project(&request.parent)?;
        let schema = request
            .schema
            .as_ref()
            .ok_or_else(|| Status::invalid("The schema must be set."))?;
        check_definition(schema).map(|()| pb::ValidateSchemaResponse {})
    }

    pub(crate) fn validate_message() -> Result<pb::ValidateMessageResponse> {
        Err(Status::new(
            Code::Unimplemented,
            "The emulator does not check messages against schemas.",
        ))
    }
}

/// What a topic's schema reads after the schema was deleted.
const DELETED_SCHEMA: &str = "_deleted-schema_";
