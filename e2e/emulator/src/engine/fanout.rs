//! Which subscriptions of a topic get a message. Those whose filter requires an equality are found
//! by the attribute's value, so that a publish costs what it delivers, not what exists.

use super::subscription::Subscription;
use std::{collections::HashMap, sync::Arc};

#[derive(Default)]
pub(super) struct Fanout {
    /// Attribute key → value → subscriptions that require it.
    by_value: HashMap<String, HashMap<String, Vec<Arc<Subscription>>>>,
    /// No filter, or one without a required equality.
    rest: Vec<Arc<Subscription>>,
    count: usize,
}

impl Fanout {
    pub(super) fn add(&mut self, subscription: Arc<Subscription>) {
        self.count += 1;
        match subscription
            .filter
            .as_ref()
            .and_then(|filter| filter.required_equality())
        {
            Some((key, value)) => {
                let values = self.by_value.entry(key.to_owned()).or_default();
                values
                    .entry(value.to_owned())
                    .or_default()
                    .push(subscription.clone());
            }
            None => self.rest.push(subscription),
        }
    }

    pub(super) fn remove(&mut self, subscription: &Subscription) {
        let other = |s: &Arc<Subscription>| s.incarnation != subscription.incarnation;
        let required = subscription
            .filter
            .as_ref()
            .and_then(|filter| filter.required_equality());
        let Some((key, value)) = required else {
            let before = self.rest.len();
            self.rest.retain(other);
            self.count -= before - self.rest.len();
            return;
        };
        let Some(values) = self.by_value.get_mut(key) else {
            return;
        };
        if let Some(list) = values.get_mut(value) {
            let before = list.len();
            list.retain(other);
            self.count -= before - list.len();
            if list.is_empty() {
                values.remove(value);
            }
        }
        if values.is_empty() {
            self.by_value.remove(key);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.rest
            .iter()
            .chain(self.by_value.values().flat_map(HashMap::values).flatten())
    }

    /// Calls `deliver` for each subscription that gets a message with these attributes.
    pub(super) fn each<'a>(
        &'a self,
        attributes: &HashMap<String, String>,
        filters: bool,
        mut deliver: impl FnMut(&'a Arc<Subscription>),
    ) {
        if !filters {
            self.all().for_each(deliver);
            return;
        }
        let found = self
            .by_value
            .iter()
            .filter_map(|(key, values)| values.get(attributes.get(key)?))
            .flatten();
        for subscription in self.rest.iter().chain(found) {
            if subscription
                .filter
                .as_ref()
                .is_none_or(|filter| filter.matches(attributes))
            {
                deliver(subscription);
            }
        }
    }
}
