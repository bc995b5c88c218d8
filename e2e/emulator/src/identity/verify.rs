//! Is a service account's token genuine? Signature, issuer, audience and expiry.

use super::{
    Refusal,
    keys::{KeySource, Keys},
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

/// What API servers sign with (`--service-account-signing-key-file` takes RSA and ECDSA keys). A
/// symmetric algorithm would make the public keys secrets.
const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::ES256,
    Algorithm::ES384,
];

/// Seconds by which clocks may differ.
const LEEWAY: u64 = 5;

/// What the token endpoint takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WorkloadIdentity {
    /// Nothing: no cluster was named whose tokens are trusted.
    #[default]
    Refuse,
    /// Any token, signed or not: whoever reaches the emulator may be anybody.
    Insecure,
    /// Tokens that a cluster signed.
    Cluster(Trust),
}

/// A cluster whose tokens are trusted: what a provider of a workload identity pool is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Where its keys are.
    pub keys: KeySource,
    /// What its tokens have as `iss` (`--service-account-issuer` of its API server).
    pub issuer: String,
    /// Audiences allowed beside the provider's own name, as with `gcloud … --allowed-audiences`.
    pub audiences: Vec<String>,
}

pub(super) enum Verifier {
    Refuse,
    Insecure,
    Cluster(Box<(Keys, Trust)>),
}

impl Verifier {
    pub(super) fn new(identity: WorkloadIdentity) -> anyhow::Result<Self> {
        Ok(match identity {
            WorkloadIdentity::Refuse => Self::Refuse,
            WorkloadIdentity::Insecure => Self::Insecure,
            WorkloadIdentity::Cluster(trust) => {
                Self::Cluster(Box::new((Keys::new(trust.keys.clone())?, trust)))
            }
        })
    }

    /// The claims of a token that was made for the provider of this name.
    pub(super) async fn claims(&self, token: &str, provider: &str) -> Result<Value, Refusal> {
        match self {
            Self::Refuse => Err(Refusal::grant(
                "The emulator trusts no cluster. Start it with --workload-identity ISSUER and --workload-identity-jwks, \
                 or with --workload-identity insecure.",
            )),
            Self::Insecure => jsonwebtoken::dangerous::insecure_decode_claims(token)
                .map_err(|_| Refusal::grant("The subject_token is not a JWT.")),
            Self::Cluster(cluster) => {
                let (keys, trust) = &**cluster;
                verify(keys, trust, token, provider).await
            }
        }
    }
}

async fn verify(keys: &Keys, trust: &Trust, token: &str, provider: &str) -> Result<Value, Refusal> {
    let header =
        jsonwebtoken::decode_header(token).map_err(|_| Refusal::grant("The subject_token is not a JWT."))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Refusal::grant(format!(
            "The subject_token is signed with {:?}; RS256, RS384, RS512, ES256 and ES384 are supported.",
            header.alg
        )));
    }
    let id = header
        .kid
        .ok_or_else(|| Refusal::grant("The subject_token does not name its key (kid)."))?;
    let key = keys.find(&id).await.map_err(|error| {
        tracing::warn!(error = format!("{error:#}"), "Could not read the cluster's keys.");
        Refusal {
            error: "temporarily_unavailable",
            description: "The emulator could not read the cluster's keys; its log says why.".to_owned(),
        }
    })?;
    let key = key.ok_or_else(|| {
        Refusal::grant("The subject_token is signed with a key that is not among the cluster's.")
    })?;
    let key = DecodingKey::from_jwk(&key)
        .map_err(|_| Refusal::grant("The subject_token's key is of a kind that is not supported."))?;
    let claims = jsonwebtoken::decode(token, &key, &rules(trust, provider, header.alg));
    claims.map(|data| data.claims).map_err(|error| {
        // The kind says what is wrong, and holds nothing of the token.
        Refusal::grant(format!("The subject_token was refused: {error}."))
    })
}

fn rules(trust: &Trust, provider: &str, algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.leeway = LEEWAY;
    rules.validate_nbf = true;
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    rules.set_issuer(&[&trust.issuer]);
    // A provider takes its own name as audience, with and without https:
    // (https://cloud.google.com/iam/docs/workload-identity-federation-with-kubernetes).
    let name = provider.trim_start_matches("https:");
    let own = [name.to_owned(), format!("https:{name}")];
    rules.set_audience(&own.iter().chain(&trust.audiences).collect::<Vec<_>>());
    rules
}
