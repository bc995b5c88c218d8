//! Workload identity: `POST /v1/token` of the security token service. It gives an access token for a
//! Kubernetes service account's token, so that a worker's own identity is what policies are asked
//! about.
//!
//! An access token says whom it stands for in plain base64. Nobody is kept from making one up, as
//! nobody is kept from sending `Bearer user:a`: what is real here is the exchange, for clients that
//! go through it.

mod keys;
mod verify;

pub use keys::KeySource;
pub use verify::{Trust, WorkloadIdentity};

use crate::{rest::Query, status::Status};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use verify::Verifier;

const MARK: &str = "ya29.emulator.";
const POOL_PREFIX: &str = "//iam.googleapis.com/";
/// The service's own tokens live as long.
const LIFETIME: Duration = Duration::from_secs(3_600);
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// Both are given for JWTs; the kind of token is decided by the pool's provider, not by this.
const SUBJECT_TOKEN_TYPES: [&str; 2] = [
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
];

/// Whom an access token of ours stands for, and until when.
pub(crate) struct Bearer {
    pub(crate) members: Vec<String>,
    pub(crate) expires: SystemTime,
}

/// `None`: not a token of ours.
pub(crate) fn bearer(token: &str) -> Option<Bearer> {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(MARK)?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut lines = text.lines();
    let seconds = lines.next()?.parse().ok()?;
    Some(Bearer {
        expires: UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?,
        members: lines.map(str::to_owned).collect(),
    })
}

fn access_token(members: &[String], expires: SystemTime) -> String {
    let seconds = expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let text = format!("{seconds}\n{}", members.join("\n"));
    format!("{MARK}{}", URL_SAFE_NO_PAD.encode(text))
}

/// Why an exchange was refused: the two fields of an OAuth error (RFC 6749, section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: &'static str,
    pub(crate) description: String,
}

impl Refusal {
    fn request(description: impl Into<String>) -> Self {
        Self {
            error: "invalid_request",
            description: description.into(),
        }
    }

    fn grant(description: impl Into<String>) -> Self {
        Self {
            error: "invalid_grant",
            description: description.into(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "error": self.error, "error_description": self.description })
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        Self::request(status.message)
    }
}

/// The security token service.
pub(crate) struct TokenService {
    verifier: Verifier,
}

impl TokenService {
    pub(crate) fn new(identity: WorkloadIdentity) -> anyhow::Result<Self> {
        Ok(Self {
            verifier: Verifier::new(identity)?,
        })
    }

    /// Answers a token exchange (RFC 8693), with a body of JSON or of form fields.
    pub(crate) async fn exchange(&self, body: &[u8], now: SystemTime) -> Result<Value, Refusal> {
        let fields = Fields::parse(body);
        let grant_type = fields.need("grantType", "grant_type")?;
        if grant_type != GRANT_TYPE {
            return Err(Refusal {
                error: "unsupported_grant_type",
                description: format!("The grant_type must be {GRANT_TYPE}."),
            });
        }
        let kind = fields.need("subjectTokenType", "subject_token_type")?;
        if !SUBJECT_TOKEN_TYPES.contains(&kind.as_str()) {
            return Err(Refusal::request(format!(
                "The subject_token_type must be one of {}.",
                SUBJECT_TOKEN_TYPES.join(", ")
            )));
        }
        let audience = fields.need("audience", "audience")?;
        let pool = pool_of(&audience)?;
        let token = fields.need("subjectToken", "subject_token")?;
        let claims = self.verifier.claims(&token, &audience).await?;
        let members = members(pool, &claims)?;
        Ok(json!({
            "access_token": access_token(&members, now + LIFETIME),
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": LIFETIME.as_secs(),
        }))
    }
}

/// The body's fields, in either form that the service takes.
enum Fields {
    Json(Value),
    Form(Query),
}

impl Fields {
    fn parse(body: &[u8]) -> Self {
        serde_json::from_slice(body).map_or_else(
            |_| Self::Form(Query::parse(&String::from_utf8_lossy(body))),
            Self::Json,
        )
    }

    fn need(&self, camel: &str, snake: &str) -> Result<String, Refusal> {
        let found = match self {
            Self::Json(json) => json
                .get(camel)
                .or_else(|| json.get(snake))
                .and_then(Value::as_str),
            Self::Form(form) => form.get(snake).or_else(|| form.get(camel)),
        };
        found
            .map(str::to_owned)
            .ok_or_else(|| Refusal::request(format!("The field {snake} must be set.")))
    }
}

/// `projects/…/workloadIdentityPools/POOL` of a provider's full name.
fn pool_of(audience: &str) -> Result<&str, Refusal> {
    audience
        .strip_prefix(POOL_PREFIX)
        .or_else(|| audience.strip_prefix("https://iam.googleapis.com/"))
        .and_then(|rest| rest.split("/providers/").next())
        .filter(|pool| pool.contains("/workloadIdentityPools/"))
        .ok_or_else(|| Refusal::request("The audience must name a provider of a workload identity pool."))
}

/// What policies may call the subject of a token: by its name, and by the uid of its service
/// account, which a recreated account does not inherit.
fn members(pool: &str, claims: &Value) -> Result<Vec<String>, Refusal> {
    let subject = claims.get("sub").and_then(Value::as_str);
    // A line break would be a second member in the access token.
    let subject = subject
        .filter(|subject| !subject.is_empty() && !subject.contains(char::is_control))
        .ok_or_else(|| Refusal::grant("The subject_token has no subject."))?;
    let base = format!("{POOL_PREFIX}{pool}");
    let mut members = vec![format!("principal:{base}/subject/{subject}")];
    // GKE's own pool names a service account by its path, and every pool can map its uid.
    if let Some((namespace, account)) = subject
        .strip_prefix("system:serviceaccount:")
        .and_then(|s| s.split_once(':'))
    {
        members.push(format!("principal:{base}/subject/ns/{namespace}/sa/{account}"));
    }
    let uid = claims
        .pointer("/kubernetes.io/serviceaccount/uid")
        .and_then(Value::as_str)
        .filter(|uid| !uid.contains(char::is_control));
    if let Some(uid) = uid {
        members.push(format!("principal:{base}/kubernetes.serviceaccount.uid/{uid}"));
        members.push(format!("principalSet:{base}/attribute.uid/{uid}"));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog";

    fn body(token: &str) -> Value {
        json!({
            "grantType": GRANT_TYPE,
            "subjectTokenType": SUBJECT_TOKEN_TYPES[0],
            "audience": format!("{POOL}/providers/x"),
            "subjectToken": token,
        })
    }

    fn unsigned(claims: &Value) -> String {
        format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn service(identity: WorkloadIdentity) -> TokenService {
        TokenService::new(identity).unwrap()
    }

    async fn exchange(service: &TokenService, body: &str) -> Result<Value, &'static str> {
        let reply = service.exchange(body.as_bytes(), SystemTime::now()).await;
        reply.map_err(|refusal| refusal.error)
    }

    #[tokio::test]
    async fn a_service_account_is_known_by_name_and_by_uid() {
        let service = service(WorkloadIdentity::Insecure);
        let token = unsigned(&json!({
            "sub": "system:serviceaccount:tenant-a:worker",
            "kubernetes.io": {"serviceaccount": {"uid": "4f9d"}},
        }));
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let reply = service
            .exchange(body(&token).to_string().as_bytes(), now)
            .await
            .unwrap();
        let bearer = bearer(reply["access_token"].as_str().unwrap()).unwrap();
        assert_eq!(bearer.expires, now + LIFETIME);
        assert_eq!(
            bearer.members,
            [
                format!("principal:{POOL}/subject/system:serviceaccount:tenant-a:worker"),
                format!("principal:{POOL}/subject/ns/tenant-a/sa/worker"),
                format!("principal:{POOL}/kubernetes.serviceaccount.uid/4f9d"),
                format!("principalSet:{POOL}/attribute.uid/4f9d"),
            ]
        );
        let escape = |text: &str| text.replace(':', "%3A").replace('/', "%2F");
        let form = format!(
            "grant_type={}&subject_token_type={}&audience={}&subject_token={token}",
            escape(GRANT_TYPE),
            escape(SUBJECT_TOKEN_TYPES[1]),
            escape(&format!("{POOL}/providers/x")),
        );
        assert_eq!(service.exchange(form.as_bytes(), now).await.unwrap(), reply);
    }

    #[tokio::test]
    async fn what_is_missing_or_foreign_is_refused() {
        let service = service(WorkloadIdentity::Insecure);
        let token = unsigned(&json!({"sub": "a"}));
        for (field, value, error) in [
            ("grantType", json!("password"), "unsupported_grant_type"),
            ("subjectTokenType", json!("x"), "invalid_request"),
            (
                "audience",
                json!("//iam.googleapis.com/projects/1"),
                "invalid_request",
            ),
            ("audience", Value::Null, "invalid_request"),
            ("subjectToken", json!("not a JWT"), "invalid_grant"),
            ("subjectToken", json!(unsigned(&json!({}))), "invalid_grant"),
            (
                "subjectToken",
                json!(unsigned(&json!({"sub": "a\nuser:admin"}))),
                "invalid_grant",
            ),
        ] {
            let mut body = body(&token);
            body[field] = value;
            assert_eq!(
                exchange(&service, &body.to_string()).await,
                Err(error),
                "{field}: {body}"
            );
        }
        assert_eq!(exchange(&service, "").await, Err("invalid_request"));
        assert!(exchange(&service, &body(&token).to_string()).await.is_ok());
    }

    #[tokio::test]
    async fn without_keys_and_without_leave_nothing_is_exchanged() {
        let service = service(WorkloadIdentity::default());
        let body = body(&unsigned(&json!({"sub": "a"}))).to_string();
        assert_eq!(exchange(&service, &body).await, Err("invalid_grant"));
    }

    #[test]
    fn other_tokens_are_not_ours() {
        for token in ["user:a", "ya29.emulator.", "ya29.emulator.%", "ya29.emulator.eA"] {
            assert!(bearer(token).is_none(), "{token}");
        }
    }
}
