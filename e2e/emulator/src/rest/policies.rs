//! Policies of any resource.

use super::{request::Reply, routes::Request, tables as t};
use crate::{iam::pb as iam, status::Result};

impl Request<'_> {
    pub(super) async fn get_policy(&self) -> Result<Reply> {
        let request = iam::GetIamPolicyRequest {
            resource: self.name.clone(),
            options: None,
        };
        Ok(Reply::of(
            &self.api.get_iam_policy(self.caller, request).await?,
            &t::POLICY,
        ))
    }

    pub(super) async fn set_policy(&self) -> Result<Reply> {
        let request = iam::SetIamPolicyRequest {
            resource: self.name.clone(),
            ..self.read(&t::SET_IAM_POLICY)?
        };
        Ok(Reply::of(
            &self.api.set_iam_policy(self.caller, request).await?,
            &t::POLICY,
        ))
    }

    pub(super) async fn test_permissions(&self) -> Result<Reply> {
        let request = iam::TestIamPermissionsRequest {
            resource: self.name.clone(),
            ..self.read(&t::TEST_IAM_PERMISSIONS)?
        };
        Ok(Reply::of(
            &self.api.test_iam_permissions(self.caller, request).await?,
            &t::PERMISSIONS,
        ))
    }
}
