//! Workload identity: `POST /v1/token` of the security token service. It gives an access token for a
//! Kubernetes service account's token, so that a worker's own identity is what policies are asked
//! about. Signatures are not checked: whoever reaches the emulator may be anybody.

use crate::{
    rest::Query,
    status::{Result, Status},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

const MARK: &str = "ya29.emulator.";
const POOL_PREFIX: &str = "//iam.googleapis.com/";
/// Seconds; the service's own tokens live as long.
const LIFETIME: u32 = 3_600;

/// The IAM members that a token of ours stands for.
pub(crate) fn members_of(token: &str) -> Option<Vec<String>> {
    let encoded = token.strip_prefix(MARK)?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    Some(
        String::from_utf8(bytes)
            .ok()?
            .lines()
            .map(str::to_owned)
            .collect(),
    )
}

/// Answers a token exchange, with a body of JSON or of form fields.
pub(crate) fn exchange(body: &[u8]) -> Result<Value> {
    let text = String::from_utf8_lossy(body);
    let json: Option<Value> = serde_json::from_str(&text).ok();
    let form = Query::parse(&text);
    let field = |camel: &str, snake: &str| -> Result<String> {
        let found = match &json {
            Some(json) => json
                .get(camel)
                .or_else(|| json.get(snake))
                .and_then(Value::as_str)
                .map(str::to_owned),
            None => form.get(snake).or_else(|| form.get(camel)).map(str::to_owned),
        };
        found.ok_or_else(|| Status::invalid(format!("The field {snake} must be set.")))
    };
    let members = members(
        &field("audience", "audience")?,
        &field("subjectToken", "subject_token")?,
    )?;
    Ok(json!({
        "access_token": format!("{MARK}{}", URL_SAFE_NO_PAD.encode(members.join("\n"))),
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "token_type": "Bearer",
        "expires_in": LIFETIME,
    }))
}

/// What policies may call the subject of a token: by its name, and by the uid of its service
/// account, which a recreated account does not inherit.
fn members(audience: &str, token: &str) -> Result<Vec<String>> {
    let pool = audience
        .strip_prefix(POOL_PREFIX)
        .or_else(|| audience.strip_prefix("https://iam.googleapis.com/"))
        .and_then(|rest| rest.split("/providers/").next())
        .filter(|pool| pool.contains("/workloadIdentityPools/"))
        .ok_or_else(|| Status::invalid("The audience must name a provider of a workload identity pool."))?;
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Option<Value> = claims.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let claims = claims.ok_or_else(|| Status::invalid("The subject_token is not a JWT."))?;
    let subject = claims.get("sub").and_then(Value::as_str);
    let subject = subject.ok_or_else(|| Status::invalid("The subject_token has no subject."))?;
    let base = format!("//iam.googleapis.com/{pool}");
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
        .and_then(Value::as_str);
    if let Some(uid) = uid {
        members.push(format!("principal:{base}/kubernetes.serviceaccount.uid/{uid}"));
        members.push(format!("principalSet:{base}/attribute.uid/{uid}"));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_is_known_by_name_and_by_uid() {
        let claims = json!({
            "sub": "system:serviceaccount:tenant-a:worker",
            "kubernetes.io": {"serviceaccount": {"uid": "4f9d"}},
        });
        let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let audience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog/providers/x";
        let body = json!({"audience": audience, "subjectToken": token}).to_string();
        let reply = exchange(body.as_bytes()).unwrap();
        let members = members_of(reply["access_token"].as_str().unwrap()).unwrap();
        let base = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog";
        assert_eq!(
            members[0],
            format!("principal:{base}/subject/system:serviceaccount:tenant-a:worker")
        );
        assert_eq!(
            members[1],
            format!("principal:{base}/subject/ns/tenant-a/sa/worker")
        );
        assert_eq!(
            members[2],
            format!("principal:{base}/kubernetes.serviceaccount.uid/4f9d")
        );
        let form = format!("audience={}&subject_token={token}", audience.replace('/', "%2F"));
        assert_eq!(exchange(form.as_bytes()).unwrap(), reply);
        assert!(exchange(b"{}").is_err());
    }
}
