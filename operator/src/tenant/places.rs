//! In memory: where the subscriptions of Tenants were found that have no binding yet. An EventSubscription's reconcile learns it
//! from Pub/Sub, and the Tenant's writes it down.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::binding::Found;

/// Places by the uid of their Tenants.
#[derive(Default)]
pub struct Places(Mutex<HashMap<String, Found>>);

impl Places {
    /// Notes where a Tenant's subscription is; of several the first counts. Answers whether that is new.
    pub fn note(&self, uid: &str, found: &Found) -> bool {
        let mut places = self.0.lock();
        let is_new = !places.contains_key(uid);
        if is_new {
            places.insert(uid.to_owned(), found.clone());
        }
        is_new
    }

    /// Where it was found.
    #[must_use]
    pub fn of(&self, uid: &str) -> Option<Found> {
        self.0.lock().get(uid).cloned()
    }

    /// It is written down.
    pub fn forget(&self, uid: &str) {
        self.0.lock().remove(uid);
    }
}
