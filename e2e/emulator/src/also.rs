//! Permissions that a request asks for by what is in it, beside those of its method.

use crate::{gate::Also, pb};

/// What a permission is asked for on.
pub(crate) type Needs = Vec<(&'static str, String)>;

pub(crate) fn all(needs: &Needs) -> Vec<Also<'_>> {
    needs
        .iter()
        .map(|(permission, resource)| (*permission, resource.as_str()))
        .collect()
}

/// A topic with a schema: `pubsub.schemas.attach` on the schema.
pub(crate) fn schema(topic: Option<&pb::Topic>) -> Needs {
    topic
        .and_then(|topic| topic.schema_settings.as_ref())
        .map(|settings| ("pubsub.schemas.attach", settings.schema.clone()))
        .into_iter()
        .collect()
}

/// A subscription that delivers as a service account: who sets it up must be allowed to act as that
/// account. Accounts have no policies here, so it is asked for on the account's project.
pub(crate) fn accounts(subscription: Option<&pb::Subscription>) -> Needs {
    let Some(s) = subscription else {
        return Vec::new();
    };
    let pushes_as = s.push_config.as_ref().and_then(|push| {
        let pb::push_config::AuthenticationMethod::OidcToken(token) = push.authentication_method.as_ref()?;
        Some(&token.service_account_email)
    });
    let exports_as = [
        s.bigquery_config.as_ref().map(|c| &c.service_account_email),
        s.cloud_storage_config.as_ref().map(|c| &c.service_account_email),
        s.bigtable_config.as_ref().map(|c| &c.service_account_email),
    ];
    let named = std::iter::once(pushes_as).chain(exports_as).flatten();
    named
        .filter(|email| !email.is_empty())
        .map(|email| ("iam.serviceAccounts.actAs", project_of(email, &s.name)))
        .collect()
}

/// `name@PROJECT.iam.gserviceaccount.com`; Google's own accounts have other domains, and are taken
/// for the subscription's project.
fn project_of(email: &str, subscription: &str) -> String {
    let project = email
        .split_once('@')
        .and_then(|(_, domain)| domain.strip_suffix(".iam.gserviceaccount.com"));
    let project = project.or_else(|| subscription.split('/').nth(1));
    format!("projects/{}", project.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_asked_for_on_its_project() {
        let push = |email: &str| pb::Subscription {
            name: "projects/p/subscriptions/s".to_owned(),
            push_config: Some(pb::PushConfig {
                authentication_method: Some(pb::push_config::AuthenticationMethod::OidcToken(
                    pb::push_config::OidcToken {
                        service_account_email: email.to_owned(),
                        ..pb::push_config::OidcToken::default()
                    },
                )),
                ..pb::PushConfig::default()
            }),
            bigquery_config: Some(pb::BigQueryConfig::default()),
            ..pb::Subscription::default()
        };
        let on = |project: &str| vec![("iam.serviceAccounts.actAs", format!("projects/{project}"))];
        assert_eq!(accounts(Some(&push("a@q.iam.gserviceaccount.com"))), on("q"));
        assert_eq!(
            accounts(Some(&push("1-compute@developer.gserviceaccount.com"))),
            on("p")
        );
        assert_eq!(accounts(Some(&push(""))), []);
        assert_eq!(accounts(None), []);
        let exports = pb::Subscription {
            bigquery_config: Some(pb::BigQueryConfig {
                service_account_email: "a@q.iam.gserviceaccount.com".to_owned(),
                ..pb::BigQueryConfig::default()
            }),
            ..pb::Subscription::default()
        };
        assert_eq!(accounts(Some(&exports)), on("q"));
    }
}
