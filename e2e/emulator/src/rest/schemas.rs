//! Paths of schemas.

use super::{request::Reply, routes::Request, tables as t, values};
use crate::{
    pb,
    status::{Result, Status},
};
use serde_json::json;

impl Request<'_> {
    pub(super) async fn schemas(&self, verb: &str, segments: &[&str], action: &str) -> Result<Reply> {
        let (api, caller, name) = (self.api, self.caller, self.name.clone());
        match (verb, segments.len(), action) {
            ("POST", 3, "") => {
                let request = pb::CreateSchemaRequest {
                    parent: self.parent(),
                    schema: Some(self.read(&t::SCHEMA)?),
                    schema_id: self.query.text("schemaId", "schema_id"),
                };
                Ok(Reply::of(&api.create_schema(caller, request).await?, &t::SCHEMA))
            }
            ("GET", 3, "") => {
                let (page_size, page_token) = self.page()?;
                let request = pb::ListSchemasRequest {
                    parent: self.parent(),
                    view: self.view()?,
                    page_size,
                    page_token,
                };
                Ok(Reply::of(&api.list_schemas(caller, request).await?, &t::SCHEMAS))
            }
            ("POST", 3, ":validate" | ":validateMessage") => self.validation(action).await,
            ("GET", 4, "") => {
                let request = pb::GetSchemaRequest {
                    name,
                    view: self.view()?,
                };
                Ok(Reply::of(&api.get_schema(caller, request).await?, &t::SCHEMA))
            }
            ("GET", 4, ":listRevisions") => {
                let (page_size, page_token) = self.page()?;
                let request = pb::ListSchemaRevisionsRequest {
                    name,
                    view: self.view()?,
                    page_size,
                    page_token,
                };
                Ok(Reply::of(
                    &api.list_schema_revisions(caller, request).await?,
                    &t::SCHEMAS,
                ))
            }
            ("POST", 4, ":commit") => {
                let request = pb::CommitSchemaRequest {
                    name,
                    ..self.read(&t::WITH_SCHEMA)?
                };
                Ok(Reply::of(&api.commit_schema(caller, request).await?, &t::SCHEMA))
            }
            ("POST", 4, ":rollback") => {
                let request = pb::RollbackSchemaRequest {
                    name,
                    ..self.read(&t::ROLLBACK_SCHEMA)?
                };
                Ok(Reply::of(
                    &api.rollback_schema(caller, request).await?,
                    &t::SCHEMA,
                ))
            }
            ("DELETE", 4, ":deleteRevision") => {
                let request = pb::DeleteSchemaRevisionRequest {
                    name,
                    ..pb::DeleteSchemaRevisionRequest::default()
                };
                Ok(Reply::of(
                    &api.delete_schema_revision(caller, request).await?,
                    &t::SCHEMA,
                ))
            }
            ("DELETE", 4, "") => api
                .delete_schema(caller, pb::DeleteSchemaRequest { name })
                .await
                .map(|()| Reply::empty()),
            _ => Err(self.unknown(verb, action)),
        }
    }

    async fn validation(&self, action: &str) -> Result<Reply> {
        let (api, caller) = (self.api, self.caller);
        if action == ":validate" {
            let request = pb::ValidateSchemaRequest {
                parent: self.parent(),
                ..self.read(&t::WITH_SCHEMA)?
            };
            return api.validate_schema(caller, request).await.map(|_| Reply::empty());
        }
        let request = pb::ValidateMessageRequest {
            parent: self.parent(),
            ..self.read(&t::VALIDATE_MESSAGE)?
        };
        api.validate_message(caller, request)
            .await
            .map(|_| Reply::empty())
    }

    /// A name or a number; how much of a schema to answer.
    fn view(&self) -> Result<i32> {
        let text = self.query.text("view", "view");
        if text.is_empty() {
            return Ok(0);
        }
        let value = text
            .parse::<i64>()
            .map_or_else(|_| json!(text), |number| json!(number));
        let number = values::enumeration("view", t::SCHEMA_VIEW, &value)?;
        i32::try_from(number).map_err(|_| Status::invalid("Invalid value at 'view' (TYPE_ENUM)"))
    }
}
