//! How many workers a node's maintenance may take at a time.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};
use serde_json::Result;

use super::{Valid, WORKER, metadata, selector};
use crate::kubernetes::{Kind, Manifest};

pub(super) fn manifest(valid: &Valid) -> Result<Manifest> {
    let budget = PodDisruptionBudget {
        metadata: metadata(valid, WORKER),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector {
                match_labels: Some(selector()),
                ..LabelSelector::default()
            }),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    };
    Manifest::new(Kind::PodDisruptionBudget, Some(&valid.namespace), WORKER, &budget)
}
