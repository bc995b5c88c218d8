//! Projects: they exist once named. Their number matters, because the service agent carries it.

use super::Engine;
use crate::iam::PolicyCell;
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

pub(super) struct Project {
    number: AtomicU64,
    pub(super) policy: Mutex<PolicyCell>,
}

impl Project {
    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Relaxed)
    }
}

impl Engine {
    /// The project, made known if it was not.
    pub(super) fn project(&self, id: &str) -> Arc<Project> {
        if let Some(project) = self.registry.read().projects.get(id) {
            return project.clone();
        }
        let mut registry = self.registry.write();
        let project = registry.projects.entry(id.to_owned()).or_insert_with(|| {
            self.store_project(id, default_number(id));
            Arc::new(new(id))
        });
        project.clone()
    }

    /// The number of a project: settable, else always the same for an id.
    pub(crate) fn project_number(&self, id: &str) -> u64 {
        self.project(id).number()
    }

    pub(crate) fn set_project_number(&self, id: &str, number: u64) {
        self.project(id).number.store(number, Ordering::Relaxed);
        self.store_project(id, number);
    }

    pub(super) fn knows_project_number(&self, number: u64) -> bool {
        self.registry
            .read()
            .projects
            .values()
            .any(|project| project.number() == number)
    }

    /// `projects.get` takes ids and numbers: the id for either.
    pub(crate) fn project_id(&self, id_or_number: &str) -> String {
        let Ok(number) = id_or_number.parse::<u64>() else {
            return id_or_number.to_owned();
        };
        let registry = self.registry.read();
        let found = registry
            .projects
            .iter()
            .find(|(_, project)| project.number() == number);
        found.map_or_else(|| id_or_number.to_owned(), |(id, _)| id.clone())
    }

    pub(crate) fn project_numbers(&self) -> Vec<(String, u64)> {
        self.registry
            .read()
            .projects
            .iter()
            .map(|(id, project)| (id.clone(), project.number()))
            .collect()
    }
}

fn new(id: &str) -> Project {
    Project {
        number: AtomicU64::new(default_number(id)),
        policy: Mutex::default(),
    }
}

/// Twelve digits, like the service's, from an FNV-1a hash of the id.
fn default_number(id: &str) -> u64 {
    if let Ok(number) = id.parse() {
        return number;
    }
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    100_000_000_000 + hash % 900_000_000_000
}

#[cfg(test)]
mod tests {
    use super::default_number;

    #[test]
    fn a_number_has_twelve_digits_and_is_always_the_same() {
        assert_eq!(default_number("living-twin").to_string().len(), 12);
        assert_eq!(default_number("living-twin"), default_number("living-twin"));
        assert_ne!(default_number("living-twin"), default_number("living-twin-2"));
    }
}
