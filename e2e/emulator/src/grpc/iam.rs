//! google.iam.v1.IAMPolicy

use super::{Answer, Service, answer, generated::iam::i_a_m_policy_server::IAMPolicy, open};
use crate::iam::pb;
use tonic::Request;

#[tonic::async_trait]
impl IAMPolicy for Service {
    async fn set_iam_policy(&self, request: Request<pb::SetIamPolicyRequest>) -> Answer<pb::Policy> {
        let (caller, request) = open(request);
        answer(self.0.set_iam_policy(&caller, request).await)
    }

    async fn get_iam_policy(&self, request: Request<pb::GetIamPolicyRequest>) -> Answer<pb::Policy> {
        let (caller, request) = open(request);
        answer(self.0.get_iam_policy(&caller, request).await)
    }

    async fn test_iam_permissions(
        &self,
        request: Request<pb::TestIamPermissionsRequest>,
    ) -> Answer<pb::TestIamPermissionsResponse> {
        let (caller, request) = open(request);
        answer(self.0.test_iam_permissions(&caller, request).await)
    }
}
