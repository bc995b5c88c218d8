//! Policies of resources, and the question whether a principal may do something.

use super::Engine;
use crate::{
    iam::{self, PolicyCell, pb},
    names::{self, Kind, Name},
    status::{Result, Status},
};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

impl Engine {
    pub(crate) fn get_policy(&self, request: &pb::GetIamPolicyRequest) -> Result<pb::Policy> {
        let never_set = self.never_set_etag();
        self.with_policy(&request.resource, |cell| {
            Ok(cell.with_never_set_etag(never_set.as_ref()).read())
        })
    }

    pub(crate) fn set_policy(&self, request: pb::SetIamPolicyRequest) -> Result<pb::Policy> {
        let policy = request
            .policy
            .ok_or_else(|| Status::invalid("The policy must be set."))?;
        for binding in &policy.bindings {
            if !binding.role.starts_with("roles/") && !binding.role.contains("/roles/") {
                return Err(Status::invalid(format!(
                    "Role {} is not supported for this resource.",
                    binding.role
                )));
            }
            for member in &binding.members {
                self.check_member(member)?;
            }
        }
        let never_set = self.never_set_etag();
        self.with_policy(&request.resource, |cell| {
            let cell = cell.with_never_set_etag(never_set.as_ref());
            let written = cell.write(policy, Instant::now())?;
            self.store_policy(&request.resource, &written);
            Ok(written)
        })
    }

    fn never_set_etag(&self) -> Option<Bytes> {
        let settings = self.settings.read();
        settings.never_set_etag.as_ref().map(|etag| etag.0.clone().into())
    }

    fn check_member(&self, member: &str) -> Result<()> {
        iam::validate_member(member)?;
        let Some(number) = iam::project_number_of_agent(member) else {
            return Ok(());
        };
        if self.settings.read().check_service_agents && !self.knows_project_number(number) {
            let account = member.trim_start_matches("serviceAccount:");
            return Err(Status::invalid(format!(
                "Service account {account} does not exist."
            )));
        }
        Ok(())
    }

    /// The permissions of those asked for that the caller has; everything while IAM is off.
    pub(crate) fn test_permissions(
        &self,
        request: &pb::TestIamPermissionsRequest,
        members: Option<&[String]>,
    ) -> Result<pb::TestIamPermissionsResponse> {
        self.with_policy(&request.resource, |_| Ok(()))?;
        if let Some(wrong) = request.permissions.iter().find(|text| !iam::is_permission(text)) {
            return Err(Status::invalid(format!(
                "Permission {wrong} is not valid for this resource."
            )));
        }
        let mut permissions = request.permissions.clone();
        if let Some(members) = members {
            let has = |permission: &String| {
                members
                    .iter()
                    .any(|member| self.allows(member, permission, &request.resource))
            };
            permissions.retain(has);
        }
        Ok(pb::TestIamPermissionsResponse { permissions })
    }

    /// Does a policy on the resource, or on its project, give the member this permission by now?
    pub(crate) fn allows(&self, member: &str, permission: &str, resource: &str) -> bool {
        let now = Instant::now();
        let delay = Duration::from_millis(self.settings.read().iam_propagation_ms);
        let granted = |cell: &mut PolicyCell| Ok(iam::grants(cell.in_force(now, delay), member, permission));
        let project = resource.split('/').take(2).collect::<Vec<_>>().join("/");
        self.with_policy(resource, granted).unwrap_or(false)
            || self.with_policy(&project, granted).unwrap_or(false)
    }

    pub(super) fn with_policy<R>(
        &self,
        resource: &str,
        operation: impl FnOnce(&mut PolicyCell) -> Result<R>,
    ) -> Result<R> {
        if let Ok(project) = names::project(resource) {
            return operation(&mut self.project(project).policy.lock());
        }
        let name = Name::any(resource)?;
        let registry = self.registry.read();
        match name.kind() {
            Kind::Topic => operation(&mut registry.topic(&name)?.policy.lock()),
            Kind::Subscription => operation(&mut registry.subscription(&name)?.policy.lock()),
            Kind::Snapshot => operation(&mut registry.snapshot(&name)?.policy.lock()),
            Kind::Schema => operation(&mut registry.schema(&name)?.policy.lock()),
        }
    }
}
