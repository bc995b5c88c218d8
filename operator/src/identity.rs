//! Pure: whom Google takes a worker for, and what the worker shows for it.
//!
//! On GKE the node's metadata server vouches for a ServiceAccount. Elsewhere its token, which the cluster's API server
//! signs for the provider of a workload identity pool, is exchanged for one of Google's
//! (<https://cloud.google.com/iam/docs/workload-identity-federation-with-kubernetes>).

use crds::Reason;
use events::ProjectId;
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    tenant::{binding::Standing, desired::WORKER},
};

/// The most bytes of a subject that Google takes
/// (<https://cloud.google.com/iam/docs/workload-identity-federation#mapping>).
const MAX_SUBJECT: usize = 127;

/// Where Google's security token service exchanges tokens.
pub const TOKEN_URL: &str = "https://sts.googleapis.com/v1/token";

/// Whose word Google takes for a worker's ServiceAccount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The pool's id, `PROJECT.svc.id.goog` on GKE.
    pub pool: String,
    /// The project that the pool is named after, where the configuration does not name the pool.
    pub pool_project: Option<ProjectId>,
    /// Pools in which workers were known before; nobody gets a right in their name any more.
    pub former_pools: Vec<String>,
    /// The number of the project the pool belongs to; none: the operator's project. With a federation it is always there.
    pub pool_project_number: Option<u64>,
    /// How a cluster that is not GKE vouches for its ServiceAccounts; none on GKE.
    pub federation: Option<Federation>,
}

/// How a cluster that is not GKE vouches for its ServiceAccounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Federation {
    /// The full name of the pool's provider, `//iam.googleapis.com/projects/…/providers/…`.
    pub provider: String,
    /// By what of its token a ServiceAccount is known.
    pub subject: Subject,
    /// For whom the API server signs the token.
    pub audience: String,
    /// Where it is exchanged.
    pub token_url: String,
}

/// By what of its token a ServiceAccount is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// By its name: a namespace that is made again under its name inherits the rights that are still there.
    Name,
    /// By its uid, which the provider has to map to `attribute.uid`.
    Uid,
}

/// A worker's ServiceAccount.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// Its namespace; its name is the same everywhere.
    pub namespace: &'a str,
    /// Its uid.
    pub uid: &'a str,
}

impl Identity {
    /// The pool of a project's GKE clusters
    /// (<https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity>).
    #[must_use]
    pub fn gke_pool(project: &ProjectId) -> String {
        format!("{project}.svc.id.goog")
    }

    /// The identity of the workers of an event plane that is in this place. A pool that the configuration does not name is
    /// that of the project that was the operator's when the event plane was made: another `projectId` moves no cluster.
    #[must_use]
    pub fn of(&self, standing: &Standing) -> Self {
        let Some(project) = &self.pool_project else {
            return self.clone();
        };
        let pool = Self::gke_pool(&standing.here.topics);
        let former = standing.former.iter().map(|place| &place.topics).chain([project]);
        let mut former_pools: Vec<_> = former.map(Self::gke_pool).filter(|one| *one != pool).collect();
        former_pools.sort();
        former_pools.dedup();
        Self {
            pool,
            pool_project: Some(standing.here.topics.clone()),
            former_pools,
            ..self.clone()
        }
    }

    /// The member of policies that a worker is, with the number of the pool's project.
    ///
    /// On GKE it is by uid, because the form with names matches every cluster of the project and any namespace that is
    /// made again (<https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity#principal-id-examples>).
    ///
    /// # Errors
    /// A [`Failure`] of class Invalid when the subject is longer than Google takes.
    pub fn member(&self, pool_project: u64, account: Account<'_>) -> Result<String, Failure> {
        let pool = format!(
            "//iam.googleapis.com/projects/{pool_project}/locations/global/workloadIdentityPools/{}",
            self.pool
        );
        let Account { namespace, uid } = account;
        Ok(
            match self.federation.as_ref().map(|federation| federation.subject) {
                None => format!("principal:{pool}/kubernetes.serviceaccount.uid/{uid}"),
                Some(Subject::Uid) => format!("principalSet:{pool}/attribute.uid/{uid}"),
                Some(Subject::Name) => format!("principal:{pool}/subject/{}", subject(namespace)?),
            },
        )
    }

    /// Whether a member of a policy is a worker of this pool, in any of the forms that [`Identity::member`] writes.
    #[must_use]
    pub fn is_worker(&self, member: &str) -> bool {
        let mut pools = std::iter::once(&self.pool).chain(&self.former_pools);
        let parts = pools.find_map(|pool| member.split_once(&format!("/workloadIdentityPools/{pool}/")));
        let Some((before, who)) = parts else {
            return false;
        };
        let by_name = who
            .strip_prefix("subject/system:serviceaccount:")
            .and_then(|account| account.split_once(':'))
            .is_some_and(|(_, name)| name == WORKER);
        let by_uid = who.starts_with("kubernetes.serviceaccount.uid/");
        let by_attribute = who.starts_with("attribute.uid/");
        (before.starts_with("principal:") && (by_name || by_uid))
            || (before.starts_with("principalSet:") && by_attribute)
    }
}

impl Federation {
    /// The full name of a pool's provider.
    #[must_use]
    pub fn provider_name(pool_project: u64, pool: &str, provider: &str) -> String {
        format!(
            "//iam.googleapis.com/projects/{pool_project}/locations/global/workloadIdentityPools/{pool}/providers/{provider}"
        )
    }

    /// What Google's client libraries find in the file that `GOOGLE_APPLICATION_CREDENTIALS` names
    /// (<https://google.aip.dev/auth/4117>): where the token is, and where it is exchanged. There is no secret in it.
    #[must_use]
    pub fn credentials(&self, token_file: &str) -> Value {
        json!({
            "type": "external_account",
            "audience": self.provider,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": self.token_url,
            "credential_source": {"file": token_file, "format": {"type": "text"}},
        })
    }
}

fn subject(namespace: &str) -> Result<String, Failure> {
    let subject = format!("system:serviceaccount:{namespace}:{WORKER}");
    match subject.len() {
        ..=MAX_SUBJECT => Ok(subject),
        bytes => Err(Failure::invalid(
            Reason::InvalidSpec,
            format!(
                "spec.namespace: Google knows this worker as {subject:?}, which has {bytes} bytes, and takes at most {MAX_SUBJECT}. Choose a shorter namespace in a new Tenant, or set identity.subjectAttribute to uid in the operator's configuration."
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(subject: Option<Subject>) -> Identity {
        Identity {
            pool: "tenants".into(),
            pool_project: None,
            former_pools: vec![],
            pool_project_number: Some(42),
            federation: subject.map(|subject| Federation {
                provider: Federation::provider_name(42, "tenants", "cluster"),
                subject,
                audience: "us".into(),
                token_url: TOKEN_URL.into(),
            }),
        }
    }

    fn member(subject: Option<Subject>, namespace: &str) -> Result<String, Failure> {
        let account = Account {
            namespace,
            uid: "4f9d",
        };
        identity(subject).member(42, account)
    }

    #[test]
    fn a_worker_is_known_by_uid_or_where_asked_by_name() {
        let pool = "//iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/tenants";
        for (subject, expected) in [
            (
                None,
                format!("principal:{pool}/kubernetes.serviceaccount.uid/4f9d"),
            ),
            (
                Some(Subject::Name),
                format!("principal:{pool}/subject/system:serviceaccount:acme:event-worker"),
            ),
            (
                Some(Subject::Uid),
                format!("principalSet:{pool}/attribute.uid/4f9d"),
            ),
        ] {
            let member = member(subject, "acme").unwrap();
            assert_eq!(member, expected);
            assert!(identity(None).is_worker(&member), "{member}");
        }
    }

    #[test]
    fn others_are_no_workers_of_ours() {
        let pool = "//iam.googleapis.com/projects/42/locations/global/workloadIdentityPools";
        for member in [
            "user:ops@example.com".to_owned(),
            format!("principal:{pool}/others/kubernetes.serviceaccount.uid/4f9d"),
            format!("principal:{pool}/tenants/subject/system:serviceaccount:acme:exporter"),
            format!("principal:{pool}/tenants/subject/system:serviceaccount:acme:not:event-worker"),
            format!("principalSet:{pool}/tenants/attribute.team/blue"),
            format!("principalSet:{pool}/tenants/*"),
        ] {
            assert!(!identity(Some(Subject::Name)).is_worker(&member), "{member}");
        }
    }

    #[test]
    fn a_subject_that_is_too_long_is_refused_with_its_length() {
        let fits = MAX_SUBJECT - "system:serviceaccount::event-worker".len();
        assert!(member(Some(Subject::Name), &"n".repeat(fits)).is_ok());
        let failure = member(Some(Subject::Name), &"n".repeat(fits + 1)).unwrap_err();
        assert_eq!(failure.reason, Reason::InvalidSpec);
        assert!(failure.message.contains("has 128 bytes"), "{}", failure.message);
        assert!(member(Some(Subject::Uid), &"n".repeat(fits + 1)).is_ok());
    }
}
