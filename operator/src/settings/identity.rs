//! The keys under `identity:`, checked.

use events::ProjectId;
use serde::Deserialize;

use super::SettingsError;
use crate::identity::{Federation, Identity, Subject, TOKEN_URL};

/// Whose word Google takes for a worker's ServiceAccount.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IdentityKeys {
    #[serde(default)]
    mode: Mode,
    pool: Option<String>,
    pool_project_number: Option<u64>,
    provider: Option<String>,
    subject_attribute: Option<SubjectAttribute>,
    audience: Option<String>,
    token_url: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Gke,
    Federation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SubjectAttribute {
    Subject,
    Uid,
}

impl IdentityKeys {
    pub(super) fn checked(
        self,
        project: &ProjectId,
        project_number: Option<u64>,
    ) -> Result<Identity, SettingsError> {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (pool, provider) = (given(self.pool), given(self.provider));
        let (audience, token_url) = (given(self.audience), given(self.token_url));
        if self.mode == Mode::Gke {
            // Said of another kind of cluster, it would silently do nothing.
            for (key, is_set) in [
                ("provider", provider.is_some()),
                ("subjectAttribute", self.subject_attribute.is_some()),
                ("audience", audience.is_some()),
                ("tokenUrl", token_url.is_some()),
            ] {
                if is_set {
                    return Err(SettingsError::value(
                        format!("identity.{key}"),
                        "is for identity.mode federation, and the mode is gke",
                    ));
                }
            }
            return Ok(Identity {
                pool_project: pool.is_none().then(|| project.clone()),
                pool: pool.unwrap_or_else(|| Identity::gke_pool(project)),
                former_pools: vec![],
                pool_project_number: self.pool_project_number,
                federation: None,
            });
        }
        let pool = id("pool", pool)?;
        let provider = id("provider", provider)?;
        let number = self.pool_project_number.or(project_number).ok_or_else(|| {
            SettingsError::value(
                "identity.poolProjectNumber",
                "must be set with identity.mode federation, or projectNumber where the pool is in that project: it is a part of the provider's name",
            )
        })?;
        let provider = Federation::provider_name(number, &pool, &provider);
        Ok(Identity {
            pool,
            pool_project: None,
            former_pools: vec![],
            pool_project_number: Some(number),
            federation: Some(Federation {
                subject: match self.subject_attribute {
                    None | Some(SubjectAttribute::Subject) => Subject::Name,
                    Some(SubjectAttribute::Uid) => Subject::Uid,
                },
                audience: audience.unwrap_or_else(|| provider.clone()),
                token_url: url(token_url.unwrap_or_else(|| TOKEN_URL.to_owned()))?,
                provider,
            }),
        })
    }
}

/// Ids of pools and of their providers
/// (<https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools/create>).
fn id(key: &str, value: Option<String>) -> Result<String, SettingsError> {
    let key = format!("identity.{key}");
    let Some(id) = value else {
        return Err(SettingsError::value(
            key,
            "must be set with identity.mode federation",
        ));
    };
    let ok = (4..=32).contains(&id.len())
        && id
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    match ok {
        true => Ok(id),
        false => Err(SettingsError::value(
            key,
            format!("{id:?}: 4 to 32 of a-z 0-9 -, the id alone"),
        )),
    }
}

/// Tokens go there, so that it is HTTPS; an emulator has no certificate.
fn url(url: String) -> Result<String, SettingsError> {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    match host {
        Some(host) if !host.is_empty() && !host.contains('@') => Ok(url),
        _ => Err(SettingsError::value(
            "identity.tokenUrl",
            format!("{url:?}: must be an https:// URL with a host (http:// for an emulator)"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(keys: &str) -> Result<Identity, String> {
        let keys: IdentityKeys = serde_yaml::from_str(keys).map_err(|error| error.to_string())?;
        keys.checked(&ProjectId::parse("acme-events").unwrap(), None)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn silence_is_gke() {
        let identity = checked("{}").unwrap();
        assert_eq!(identity.pool, "acme-events.svc.id.goog");
        assert_eq!(identity.federation, None);
    }

    #[test]
    fn a_federation_has_a_provider_and_the_rest_follows() {
        let federation =
            checked("{mode: federation, pool: tenants, provider: prod-eu, poolProjectNumber: 42}")
                .unwrap()
                .federation
                .unwrap();
        assert_eq!(
            federation.provider,
            "//iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/tenants/providers/prod-eu"
        );
        assert_eq!(federation.audience, federation.provider);
        assert_eq!(federation.token_url, TOKEN_URL);
        assert_eq!(federation.subject, Subject::Name);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let federation = |more: &str| format!("{{mode: federation, pool: tenants, provider: prod-eu{more}}}");
        for (keys, expected) in [
            ("{mode: eks}".to_owned(), "unknown variant `eks`"),
            ("{provider: prod-eu}".to_owned(), "identity.provider: is for"),
            (
                "{subjectAttribute: uid}".to_owned(),
                "identity.subjectAttribute: is for",
            ),
            ("{mode: federation}".to_owned(), "identity.pool: must be set"),
            (
                "{mode: federation, pool: tenants}".to_owned(),
                "identity.provider: must be set",
            ),
            (
                "{mode: federation, pool: projects/1/x, provider: prod-eu}".to_owned(),
                "identity.pool: \"projects/1/x\": 4 to 32",
            ),
            (federation(""), "identity.poolProjectNumber: must be set"),
            (
                federation(", poolProjectNumber: 42, tokenUrl: 'sts.googleapis.com'"),
                "identity.tokenUrl: \"sts.googleapis.com\": must be an https:// URL",
            ),
            (
                federation(", poolProjectNumber: 42, subjectAttribute: name"),
                "unknown variant `name`",
            ),
        ] {
            let error = checked(&keys).unwrap_err();
            assert!(error.contains(expected), "{keys} gave {error:?}");
        }
    }
}
