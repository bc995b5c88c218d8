//! More of workers' pods than the operator itself says: as a default for all in its configuration, and for one in its Tenant.

mod allow;
mod check;
mod env;

use std::collections::{BTreeMap, BTreeSet};

use crds::{PodVolume, WorkerTemplate};
use k8s_openapi::{
    DeepMerge as _,
    api::core::v1::{
        Affinity, ConfigMapEnvSource, Container, EnvFromSource, LocalObjectReference, PodSpec,
        ProjectedVolumeSource, SecretEnvSource, Volume, VolumeMount, VolumeProjection,
    },
};

pub use self::{
    allow::Allowed,
    env::{check as check_env, over as env_over, secrets as env_secrets},
};
use super::lossless::{self, Wrong};

/// The container that a template is about.
pub const CONTAINER: &str = "worker";

/// A template that holds no door to the node and takes nothing of the operator's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Template {
    /// More labels of the pod.
    pub labels: BTreeMap<String, String>,
    /// More annotations of the pod.
    pub annotations: BTreeMap<String, String>,
    /// Of a pod nothing but what a [`WorkerTemplate`] has, and at most the one container.
    pod: PodSpec,
}

impl Template {
    /// Checks and takes over what was given; `at` is the path that refusals name it by.
    ///
    /// # Errors
    /// Names the first field that is not allowed, and what is.
    pub fn parse(given: &WorkerTemplate, at: &str) -> Result<Self, Wrong> {
        check::check(given, at)?;
        let affinity = given
            .affinity
            .as_ref()
            .map(|value| lossless::read::<Affinity>(value, &format!("{at}.affinity")))
            .transpose()?;
        let container = Container {
            name: CONTAINER.to_owned(),
            env_from: some(given.env_from.iter().map(env_from).collect()),
            volume_mounts: some(given.volume_mounts.iter().map(mount).collect()),
            ..Container::default()
        };
        let has_more = container.env_from.is_some() || container.volume_mounts.is_some();
        let pull_secrets = given.image_pull_secrets.iter().map(|one| LocalObjectReference {
            name: one.name.clone(),
        });
        Ok(Self {
            labels: given.labels.clone(),
            annotations: given.annotations.clone(),
            pod: PodSpec {
                affinity,
                containers: has_more.then_some(container).into_iter().collect(),
                image_pull_secrets: some(pull_secrets.collect()),
                node_selector: (!given.node_selector.is_empty()).then(|| given.node_selector.clone()),
                priority_class_name: given.priority_class_name.clone(),
                runtime_class_name: given.runtime_class_name.clone(),
                tolerations: some(given.tolerations.clone()),
                topology_spread_constraints: some(given.topology_spread_constraints.clone()),
                volumes: some(given.volumes.iter().map(volume).collect()),
                ..PodSpec::default()
            },
        })
    }

    /// This one over another, as Kubernetes merges an apply into what is there: maps by key, lists that have a key by that, others
    /// as a whole. What has the same key is replaced and not mixed: a volume is a Secret or a ConfigMap.
    #[must_use]
    pub fn over(self, default: &Self) -> Self {
        let mut merged = default.clone();
        merged.labels.extend(self.labels);
        merged.annotations.extend(self.annotations);
        let named = self.pod.volumes.iter().flatten();
        let named: BTreeSet<&str> = named.map(|one| one.name.as_str()).collect();
        let volumes = merged.pod.volumes.iter_mut();
        volumes.for_each(|all| all.retain(|one| !named.contains(one.name.as_str())));
        let spread = self.pod.topology_spread_constraints.iter().flatten();
        let spread: BTreeSet<&str> = spread.map(|one| one.topology_key.as_str()).collect();
        let constraints = merged.pod.topology_spread_constraints.iter_mut();
        constraints.for_each(|all| all.retain(|one| !spread.contains(one.topology_key.as_str())));
        let mounted = self
            .pod
            .containers
            .iter()
            .flat_map(|one| one.volume_mounts.iter().flatten());
        let mounted: BTreeSet<&str> = mounted.map(|one| one.mount_path.as_str()).collect();
        let mounts = merged
            .pod
            .containers
            .iter_mut()
            .flat_map(|one| one.volume_mounts.iter_mut());
        mounts.for_each(|all| all.retain(|one| !mounted.contains(one.mount_path.as_str())));
        merged.pod.merge_from(self.pod);
        merged
    }

    /// Whether each mount has its volume, which may be one of the default's.
    ///
    /// # Errors
    /// Names the mount that has none.
    pub fn check_mounts(&self, at: &str) -> Result<(), Wrong> {
        let volumes: Vec<_> = self
            .pod
            .volumes
            .iter()
            .flatten()
            .map(|one| one.name.as_str())
            .collect();
        let mut mounts = self
            .pod
            .containers
            .iter()
            .flat_map(|one| one.volume_mounts.iter().flatten());
        match mounts.find(|one| !volumes.contains(&one.name.as_str())) {
            None => Ok(()),
            Some(mount) => Err(Wrong::new(
                format!("{at}.volumeMounts"),
                format!(
                    "{} mounts {:?}, and volumes has {volumes:?}",
                    mount.mount_path, mount.name
                ),
            )),
        }
    }

    /// A pod of the operator's with what is in here; in what both say the operator's counts.
    #[must_use]
    pub fn around(&self, own: PodSpec) -> PodSpec {
        let mut pod = self.pod.clone();
        pod.merge_from(own);
        pod
    }

    /// The fields of a pod that are in here, for people.
    #[must_use]
    pub fn fields(&self) -> Vec<&'static str> {
        let pod = &self.pod;
        let of_container = |is: fn(&Container) -> bool| pod.containers.iter().any(is);
        [
            ("imagePullSecrets", pod.image_pull_secrets.is_some()),
            ("nodeSelector", pod.node_selector.is_some()),
            ("tolerations", pod.tolerations.is_some()),
            ("affinity", pod.affinity.is_some()),
            (
                "topologySpreadConstraints",
                pod.topology_spread_constraints.is_some(),
            ),
            ("priorityClassName", pod.priority_class_name.is_some()),
            ("runtimeClassName", pod.runtime_class_name.is_some()),
            ("labels", !self.labels.is_empty()),
            ("annotations", !self.annotations.is_empty()),
            ("volumes", pod.volumes.is_some()),
            ("volumeMounts", of_container(|one| one.volume_mounts.is_some())),
            ("envFrom", of_container(|one| one.env_from.is_some())),
        ]
        .into_iter()
        .filter_map(|(field, is_there)| is_there.then_some(field))
        .collect()
    }

    /// The Secrets without which a pod does not begin.
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<String> {
        let volumes = self.pod.volumes.iter().flatten().flat_map(|one| {
            let secret = one.secret.iter().filter(|one| one.optional != Some(true));
            let sources = one.projected.iter().flat_map(|one| one.sources.iter().flatten());
            let projected = sources.filter_map(|one| one.secret.as_ref());
            let projected = projected
                .filter(|one| one.optional != Some(true))
                .map(|one| one.name.clone());
            secret.filter_map(|one| one.secret_name.clone()).chain(projected)
        });
        let env = self
            .pod
            .containers
            .iter()
            .flat_map(|one| one.env_from.iter().flatten());
        let env = env.filter_map(|one| one.secret_ref.as_ref());
        let env = env
            .filter(|one| one.optional != Some(true))
            .map(|one| one.name.clone());
        volumes.chain(env).collect()
    }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn env_from(given: &crds::EnvFrom) -> EnvFromSource {
    EnvFromSource {
        prefix: Some(given.prefix.clone()),
        secret_ref: given.secret_ref.as_ref().map(|one| SecretEnvSource {
            name: one.name.clone(),
            optional: one.optional,
        }),
        config_map_ref: given.config_map_ref.as_ref().map(|one| ConfigMapEnvSource {
            name: one.name.clone(),
            optional: one.optional,
        }),
    }
}

fn mount(given: &crds::PodVolumeMount) -> VolumeMount {
    VolumeMount {
        name: given.name.clone(),
        mount_path: given.mount_path.clone(),
        sub_path: given.sub_path.clone(),
        read_only: given.read_only,
        ..VolumeMount::default()
    }
}

fn volume(given: &PodVolume) -> Volume {
    let sources = |given: &crds::ProjectedVolume| {
        let sources = given.sources.iter().map(|one| VolumeProjection {
            secret: one.secret.clone(),
            config_map: one.config_map.clone(),
            ..VolumeProjection::default()
        });
        sources.collect()
    };
    Volume {
        name: given.name.clone(),
        secret: given.secret.clone(),
        config_map: given.config_map.clone(),
        projected: given.projected.as_ref().map(|one| ProjectedVolumeSource {
            default_mode: one.default_mode,
            sources: Some(sources(one)),
        }),
        empty_dir: given.empty_dir.clone(),
        ..Volume::default()
    }
}

#[cfg(test)]
mod tests;
