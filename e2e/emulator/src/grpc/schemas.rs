//! `google.pubsub.v1.SchemaService`

use super::{Answer, Service, answer, generated::schemas::schema_service_server::SchemaService, open};
use crate::pb;
use tonic::Request;

#[tonic::async_trait]
impl SchemaService for Service {
    async fn create_schema(&self, request: Request<pb::CreateSchemaRequest>) -> Answer<pb::Schema> {
        let (caller, request) = open(request);
        answer(self.0.create_schema(&caller, request).await)
    }

    async fn get_schema(&self, request: Request<pb::GetSchemaRequest>) -> Answer<pb::Schema> {
        let (caller, request) = open(request);
        answer(self.0.get_schema(&caller, request).await)
    }

    async fn list_schemas(
        &self,
        request: Request<pb::ListSchemasRequest>,
    ) -> Answer<pb::ListSchemasResponse> {
        let (caller, request) = open(request);
        answer(self.0.list_schemas(&caller, request).await)
    }

    async fn list_schema_revisions(
        &self,
        request: Request<pb::ListSchemaRevisionsRequest>,
    ) -> Answer<pb::ListSchemaRevisionsResponse> {
        let (caller, request) = open(request);
        answer(self.0.list_schema_revisions(&caller, request).await)
    }

    async fn commit_schema(&self, request: Request<pb::CommitSchemaRequest>) -> Answer<pb::Schema> {
        let (caller, request) = open(request);
        answer(self.0.commit_schema(&caller, request).await)
    }

    async fn rollback_schema(&self, request: Request<pb::RollbackSchemaRequest>) -> Answer<pb::Schema> {
        let (caller, request) = open(request);
        answer(self.0.rollback_schema(&caller, request).await)
    }

    async fn delete_schema_revision(
        &self,
        request: Request<pb::DeleteSchemaRevisionRequest>,
    ) -> Answer<pb::Schema> {
        let (caller, request) = open(request);
        answer(self.0.delete_schema_revision(&caller, request).await)
    }

    async fn delete_schema(&self, request: Request<pb::DeleteSchemaRequest>) -> Answer<()> {
        let (caller, request) = open(request);
        answer(self.0.delete_schema(&caller, request).await)
    }

    async fn validate_schema(
        &self,
        request: Request<pb::ValidateSchemaRequest>,
    ) -> Answer<pb::ValidateSchemaResponse> {
        let (caller, request) = open(request);
        answer(self.0.validate_schema(&caller, request).await)
    }

    async fn validate_message(
        &self,
        request: Request<pb::ValidateMessageRequest>,
    ) -> Answer<pb::ValidateMessageResponse> {
        let (caller, request) = open(request);
        answer(self.0.validate_message(&caller, request).await)
    }
}
