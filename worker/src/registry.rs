//! Pure: which handler an event goes to.

use std::{collections::BTreeMap, sync::Arc};

use events::{DomainEvent, EventPattern, EventType, event_type::InvalidEventType};

use crate::handle::Handler;

/// Handlers by what they handle. The most specific one wins: a type's version, the type, the longest category, the rest.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    versions: BTreeMap<(EventType, String), Arc<dyn Handler>>,
    types: BTreeMap<EventType, Arc<dyn Handler>>,
    categories: BTreeMap<String, Arc<dyn Handler>>,
    rest: Option<Arc<dyn Handler>>,
}

/// Where an event goes.
#[derive(Debug, Clone)]
pub enum Route {
    /// To this handler.
    To(Arc<dyn Handler>),
    /// Nowhere: its type is handled, its version is not.
    UnknownVersion,
    /// Nowhere: nobody handles its type.
    Unhandled,
}

impl Registry {
    /// Handles a type (`document.ingested`) or a category (`document.*`).
    ///
    /// # Errors
    /// [`InvalidEventType`] when the text is neither.
    pub fn on(&mut self, pattern: &str, handler: Arc<dyn Handler>) -> Result<(), InvalidEventType> {
        match EventPattern::parse(pattern)? {
            EventPattern::Exact(event_type) => self.types.insert(event_type, handler),
            EventPattern::Category(prefix) => self.categories.insert(prefix, handler),
        };
        Ok(())
    }

    /// Handles one version of a type.
    ///
    /// # Errors
    /// [`InvalidEventType`] when the text is not a type.
    pub fn on_version(
        &mut self,
        event_type: &str,
        version: &str,
        handler: Arc<dyn Handler>,
    ) -> Result<(), InvalidEventType> {
        let event_type = EventType::parse(event_type)?;
        self.versions.insert((event_type, version.to_owned()), handler);
        Ok(())
    }

    /// Handles what nobody else does.
    pub fn otherwise(&mut self, handler: Arc<dyn Handler>) {
        self.rest = Some(handler);
    }

    /// Whether nothing is handled at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.types.is_empty() && self.categories.is_empty() && self.rest.is_none()
    }

    /// Where this event goes.
    #[must_use]
    pub fn route(&self, event: &DomainEvent) -> Route {
        let event_type = &event.event_type;
        let of_version = (event_type.clone(), event.data.version().to_owned());
        if let Some(handler) = self
            .versions
            .get(&of_version)
            .or_else(|| self.types.get(event_type))
        {
            return Route::To(Arc::clone(handler));
        }
        // Naming versions of a type says that the others are not understood: a broader handler must not get them.
        if self.versions.keys().any(|(handled, _)| handled == event_type) {
            return Route::UnknownVersion;
        }
        self.categories
            .iter()
            .filter(|(prefix, _)| event_type.as_str().starts_with(prefix.as_str()))
            .max_by_key(|(prefix, _)| prefix.len())
            .map(|(_, handler)| handler)
            .or(self.rest.as_ref())
            .map_or(Route::Unhandled, |handler| Route::To(Arc::clone(handler)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::handle::{Event, Outcome};

    fn handler() -> Arc<dyn Handler> {
        Arc::new(|_: Event| async { Outcome::Success })
    }

    fn event(event_type: &str, version: &str) -> DomainEvent {
        let json = json!({
            "event_id": "e", "event_type": event_type, "tenant_id": "t", "occurred_at": "2026-01-02T03:04:05Z",
            "source": "s", "data": {"version": version},
        });
        DomainEvent::decode(json.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_most_specific_handler_wins() {
        let [version, exact, near, far, rest] = [(); 5].map(|()| handler());
        let mut registry = Registry::default();
        registry
            .on_version("document.ingested", "2.0", Arc::clone(&version))
            .unwrap();
        registry.on("document.ingested", Arc::clone(&exact)).unwrap();
        registry.on("document.*", Arc::clone(&far)).unwrap();
        registry.on("document.page.*", Arc::clone(&near)).unwrap();
        registry.otherwise(Arc::clone(&rest));
        for (event_type, event_version, expected) in [
            ("document.ingested", "2.0", &version),
            ("document.ingested", "1.0", &exact),
            ("document.page.read", "1.0", &near),
            ("document.deleted", "1.0", &far),
            ("user.login", "1.0", &rest),
        ] {
            let Route::To(found) = registry.route(&event(event_type, event_version)) else {
                panic!("{event_type} goes nowhere");
            };
            assert!(
                Arc::ptr_eq(&found, expected),
                "{event_type} {event_version} went astray"
            );
        }
    }

    #[test]
    fn what_is_not_handled_is_said() {
        let mut registry = Registry::default();
        assert!(registry.is_empty());
        assert!(matches!(registry.route(&event("a.b", "1.0")), Route::Unhandled));
        registry.on_version("a.b", "1.0", handler()).unwrap();
        registry.otherwise(handler());
        assert!(matches!(
            registry.route(&event("a.b", "9.0")),
            Route::UnknownVersion
        ));
        assert!(registry.on("not a type", handler()).is_err());
        assert!(registry.on_version("document.*", "1.0", handler()).is_err());
    }
}
