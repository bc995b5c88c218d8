//! Whether a change of the operator's settings goes on through the fleet. One that takes subscriptions away, or moves them, is
//! an edit of one line that may cost every tenant its messages; so it comes to a few Tenants first, and halts there until the
//! configuration says that it is meant.
//!
//! Which Tenants it came to stands on the Tenants themselves, with a digest of those settings that can do it: so a restart and
//! a handover change nothing, and another edit of the settings is another change. What users edit does not count.

use std::collections::HashSet;

use crds::{Tenant, label};
use kube::ResourceExt as _;
use parking_lot::Mutex;
use serde_json::json;

use crate::{kubernetes::hash, settings::Settings};

/// Stands for the settings by which a Tenant can lose or move a subscription: 16 hexadecimal digits.
#[must_use]
pub fn digest(settings: &Settings) -> String {
    let keys: Vec<_> = settings.catalogue.keys().collect();
    let place = [settings.project.as_str(), settings.topic_prefix.as_str()];
    hash(&json!([keys, place, settings.move_to]))
}

/// To how many Tenants of a fleet a change may come before it halts.
#[must_use]
pub fn first_wave(settings: &Settings, fleet: usize) -> usize {
    let share = fleet.saturating_mul(settings.brake.percent).div_ceil(100);
    settings.brake.tenants.max(share)
}

/// Whether a change has come to a Tenant, by its annotation.
#[must_use]
pub fn has_come_to(tenant: &Tenant, digest: &str) -> bool {
    tenant
        .annotations()
        .get(label::SETTINGS_CHANGE)
        .is_some_and(|noted| noted == digest)
}

/// Whether it may come to this Tenant now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Brake {
    /// It may.
    #[default]
    Off,
    /// It came to as many as it may come to.
    On(Halted),
}

/// A change that halted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halted {
    /// To how many Tenants it came before.
    pub come_to: usize,
    /// Of how many.
    pub fleet: usize,
    /// What `brake.goOn` has to be for it to go on.
    pub digest: String,
}

/// In memory: the Tenants to which the change came in this process, which the cache may not show yet.
#[derive(Default)]
pub struct Brakes(Mutex<HashSet<String>>);

impl Brakes {
    /// Asks for a Tenant; if the change may come to it, it counts from now on. `all` is the fleet.
    pub fn ask(&self, uid: &str, all: &[impl AsRef<Tenant>], settings: &Settings) -> Brake {
        let digest = digest(settings);
        if settings.brake.go_on.as_ref() == Some(&digest) {
            return Brake::Off;
        }
        let mut come_to = self.0.lock();
        let noted = all.iter().map(AsRef::as_ref);
        come_to.extend(
            noted
                .filter(|tenant| has_come_to(tenant, &digest))
                .filter_map(|tenant| tenant.metadata.uid.clone()),
        );
        if come_to.contains(uid) {
            return Brake::Off;
        }
        if come_to.len() >= first_wave(settings, all.len()) {
            return Brake::On(Halted {
                come_to: come_to.len(),
                fleet: all.len(),
                digest,
            });
        }
        come_to.insert(uid.to_owned());
        Brake::Off
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crds::TenantSpec;

    use super::*;

    fn tenant(number: usize, noted: Option<&str>) -> Arc<Tenant> {
        let mut tenant = Tenant::new(&format!("tenant-{number}"), TenantSpec::default());
        tenant.metadata.uid = Some(number.to_string());
        tenant.metadata.annotations =
            noted.map(|digest| [(label::SETTINGS_CHANGE.into(), digest.into())].into());
        Arc::new(tenant)
    }

    fn fleet(size: usize, noted: usize, digest: &str) -> Vec<Arc<Tenant>> {
        (0..size)
            .map(|number| tenant(number, (number < noted).then_some(digest)))
            .collect()
    }

    /// How many of a fleet the change comes to.
    fn come_to(brakes: &Brakes, fleet: &[Arc<Tenant>], settings: &Settings) -> usize {
        let ask = |one: &&Arc<Tenant>| brakes.ask(&one.uid().unwrap(), fleet, settings) == Brake::Off;
        fleet.iter().filter(ask).count()
    }

    #[test]
    fn a_change_comes_to_three_or_a_tenth_and_halts() {
        let settings = Settings::of_the_default_file();
        for (size, wave) in [(1, 1), (3, 3), (5, 3), (30, 3), (31, 4), (900, 90)] {
            let fleet = fleet(size, 0, "");
            let brakes = Brakes::default();
            assert_eq!(come_to(&brakes, &fleet, &settings), wave, "{size}");
            assert_eq!(
                come_to(&brakes, &fleet, &settings),
                wave,
                "those to which it came go on with it, and nobody else"
            );
        }
    }

    #[test]
    fn a_restart_counts_what_stands_on_the_tenants() {
        let settings = Settings::of_the_default_file();
        let digest = digest(&settings);
        let noted = fleet(30, 3, &digest);
        assert_eq!(
            Brakes::default().ask("20", &noted, &settings),
            Brake::On(Halted {
                come_to: 3,
                fleet: 30,
                digest
            })
        );
        assert_eq!(Brakes::default().ask("2", &noted, &settings), Brake::Off);
        let another = fleet(30, 3, "another change");
        assert_eq!(Brakes::default().ask("20", &another, &settings), Brake::Off);
    }

    #[test]
    fn it_goes_on_when_the_configuration_names_this_very_change() {
        let mut settings = Settings::of_the_default_file();
        let fleet = fleet(30, 0, "");
        settings.brake.go_on = Some("something".into());
        assert_eq!(come_to(&Brakes::default(), &fleet, &settings), 3);
        settings.brake.go_on = Some(digest(&settings));
        assert_eq!(come_to(&Brakes::default(), &fleet, &settings), 30);
        settings.topic_prefix = "another".into();
        assert_eq!(
            come_to(&Brakes::default(), &fleet, &settings),
            3,
            "what was meant before says nothing of the next edit"
        );
    }
}
