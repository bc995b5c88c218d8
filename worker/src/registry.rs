//! Pure: which handler an event goes to, and in which version of its payload.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use events::{DomainEvent, EventPattern, EventType, Payload, event_type::InvalidEventType};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::{circuit::Circuit, handle::Handler};

/// Makes the payload of a later version out of an earlier one's; the error is for the log.
pub type Lift = dyn Fn(Map<String, Value>) -> Result<Map<String, Value>, Cow<'static, str>> + Send + Sync;

/// A handler that was registered, and what is its own.
#[derive(Debug)]
pub struct Registered {
    /// The handler.
    pub handler: Arc<dyn Handler>,
    /// Whether it is there.
    pub(crate) circuit: Arc<Circuit>,
    /// The longest one event may take, where that is less than for all handlers.
    pub(crate) timeout: Option<Duration>,
    /// How many events it handles at a time, where those are fewer than for all handlers.
    pub(crate) slots: Option<Arc<Semaphore>>,
}

/// What holds for one handler, beside what holds for all.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct HandlerOptions {
    timeout: Option<Duration>,
    concurrency: Option<usize>,
}

impl HandlerOptions {
    /// What holds for all handlers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The longest one event may take; `WORKER_TIMEOUT` holds beside it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How many events are handled at a time, at least one; `MAX_CONCURRENT_MESSAGES` holds beside it.
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = Some(concurrency.max(1));
        self
    }
}

impl Registered {
    fn new(handler: Arc<dyn Handler>, options: HandlerOptions) -> Arc<Self> {
        Arc::new(Self {
            handler,
            circuit: Arc::default(),
            timeout: options.timeout,
            slots: options.concurrency.map(|slots| Arc::new(Semaphore::new(slots))),
        })
    }
}

/// Handlers by what they handle. The most specific one wins: a type's version, the type, the longest category, the rest.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    types: HashMap<EventType, OfType>,
    categories: BTreeMap<String, Arc<Registered>>,
    rest: Option<Arc<Registered>>,
}

/// What is known of one type of event.
#[derive(Debug, Clone, Default)]
struct OfType {
    versions: BTreeMap<String, Arc<Registered>>,
    lifts: BTreeMap<String, Step>,
    any: Option<Arc<Registered>>,
}

#[derive(Clone)]
struct Step {
    to: String,
    lift: Arc<Lift>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {}", self.to)
    }
}

/// Where an event goes.
#[derive(Debug, Clone)]
pub enum Route {
    /// To this handler.
    To(Arc<Registered>),
    /// Nowhere: its type is handled, its version is not.
    UnknownVersion,
    /// Nowhere: nobody handles its type.
    Unhandled,
    /// Nowhere: it could not be lifted to a later version.
    NotLifted(Cow<'static, str>),
}

impl Registry {
    /// Handles a type (`document.ingested`) or a category (`document.*`).
    ///
    /// # Errors
    /// [`InvalidEventType`] when the text is neither.
    pub fn on(&mut self, pattern: &str, handler: Arc<dyn Handler>) -> Result<(), InvalidEventType> {
        self.on_with(pattern, HandlerOptions::new(), handler)
    }

    /// The same, with options.
    ///
    /// # Errors
    /// [`InvalidEventType`] when the text is neither.
    pub fn on_with(
        &mut self,
        pattern: &str,
        options: HandlerOptions,
        handler: Arc<dyn Handler>,
    ) -> Result<(), InvalidEventType> {
        let handler = Registered::new(handler, options);
        match EventPattern::parse(pattern)? {
            EventPattern::Exact(event_type) => {
                self.types.entry(event_type).or_default().any = Some(handler);
            }
            EventPattern::Category(prefix) => {
                self.categories.insert(prefix, handler);
            }
        }
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
        let of_type = self.types.entry(EventType::parse(event_type)?).or_default();
        let handler = Registered::new(handler, HandlerOptions::new());
        of_type.versions.insert(version.to_owned(), handler);
        Ok(())
    }

    /// Lifts payloads of one version to another before they are handled, unless a handler takes the first.
    ///
    /// # Errors
    /// [`InvalidEventType`] when the text is not a type.
    pub fn lift(
        &mut self,
        event_type: &str,
        from: &str,
        to: &str,
        lift: Arc<Lift>,
    ) -> Result<(), InvalidEventType> {
        let of_type = self.types.entry(EventType::parse(event_type)?).or_default();
        let to = to.to_owned();
        of_type.lifts.insert(from.to_owned(), Step { to, lift });
        Ok(())
    }

    /// Handles what nobody else does.
    pub fn otherwise(&mut self, handler: Arc<dyn Handler>) {
        self.rest = Some(Registered::new(handler, HandlerOptions::new()));
    }

    /// Every handler's circuit.
    pub(crate) fn circuits(&self) -> Vec<Arc<Circuit>> {
        let of_types = self
            .types
            .values()
            .flat_map(|of_type| of_type.versions.values().chain(&of_type.any));
        of_types
            .chain(self.categories.values())
            .chain(&self.rest)
            .map(|registered| Arc::clone(&registered.circuit))
            .collect()
    }

    /// Whether every handler is believed to be there.
    #[must_use]
    pub fn all_there(&self) -> bool {
        self.circuits().iter().all(|circuit| circuit.is_closed())
    }

    /// Whether nothing is handled at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let handles = |of_type: &OfType| !of_type.versions.is_empty() || of_type.any.is_some();
        !self.types.values().any(handles) && self.categories.is_empty() && self.rest.is_none()
    }

    /// Where this event goes. It is lifted on the way where that is what its handler needs.
    #[must_use]
    pub fn route(&self, event: &mut DomainEvent) -> Route {
        let Some(of_type) = self.types.get(&event.event_type) else {
            return self.broader(event);
        };
        // Each step is taken once at most: lifts in a circle end.
        for _ in 0..=of_type.lifts.len() {
            if let Some(handler) = of_type.versions.get(event.data.version()) {
                return Route::To(Arc::clone(handler));
            }
            let Some(step) = of_type.lifts.get(event.data.version()) else {
                break;
            };
            let fields = std::mem::take(&mut event.data).into_fields();
            // A lift has nothing but what it is given: a panic leaves nothing broken behind.
            let lifted = catch_unwind(AssertUnwindSafe(|| (step.lift)(fields)));
            match lifted.unwrap_or_else(|_panic| Err("the lift to a later version panicked".into())) {
                Ok(mut lifted) => {
                    lifted.insert("version".to_owned(), Value::from(step.to.as_str()));
                    event.data = Payload::from(lifted);
                }
                Err(why) => return Route::NotLifted(why),
            }
        }
        if let Some(handler) = &of_type.any {
            return Route::To(Arc::clone(handler));
        }
        // Naming versions of a type says that the others are not understood: a broader handler must not get them.
        if of_type.versions.is_empty() {
            self.broader(event)
        } else {
            Route::UnknownVersion
        }
    }

    fn broader(&self, event: &DomainEvent) -> Route {
        self.categories
            .iter()
            .filter(|(prefix, _)| event.event_type.as_str().starts_with(prefix.as_str()))
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
            "source": "s", "data": {"version": version, "name": "Ada"},
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
            let Route::To(found) = registry.route(&mut event(event_type, event_version)) else {
                panic!("{event_type} goes nowhere");
            };
            assert!(
                Arc::ptr_eq(&found.handler, expected),
                "{event_type} {event_version} went astray"
            );
        }
    }

    #[test]
    fn what_is_not_handled_is_said() {
        let mut registry = Registry::default();
        assert!(registry.is_empty());
        assert!(matches!(
            registry.route(&mut event("a.b", "1.0")),
            Route::Unhandled
        ));
        registry.on_version("a.b", "1.0", handler()).unwrap();
        registry.otherwise(handler());
        assert!(matches!(
            registry.route(&mut event("a.b", "9.0")),
            Route::UnknownVersion
        ));
        assert!(registry.on("not a type", handler()).is_err());
        assert!(registry.on_version("document.*", "1.0", handler()).is_err());
    }

    fn rename(mut data: Map<String, Value>, from: &str, to: &str) -> Map<String, Value> {
        let value = data.remove(from).unwrap();
        data.insert(to.to_owned(), value);
        data
    }

    #[test]
    fn old_versions_are_lifted_step_by_step_to_one_that_is_handled() {
        let mut registry = Registry::default();
        let third = handler();
        registry.on_version("a.b", "3.0", Arc::clone(&third)).unwrap();
        for (from, to, field, renamed) in [
            ("1.0", "2.0", "name", "full_name"),
            ("2.0", "3.0", "full_name", "title"),
        ] {
            let lift = move |data| Ok(rename(data, field, renamed));
            registry.lift("a.b", from, to, Arc::new(lift)).unwrap();
        }
        let mut old = event("a.b", "1.0");
        let Route::To(found) = registry.route(&mut old) else {
            panic!("it goes nowhere");
        };
        assert!(Arc::ptr_eq(&found.handler, &third));
        assert_eq!(
            Value::from(old.data.fields().clone()),
            json!({"version": "3.0", "title": "Ada"})
        );
        assert!(matches!(
            registry.route(&mut event("a.b", "0.9")),
            Route::UnknownVersion
        ));
    }

    #[test]
    fn a_lift_may_fail_and_may_not_go_round_in_circles() {
        let mut registry = Registry::default();
        registry.on_version("a.b", "9.0", handler()).unwrap();
        registry.lift("a.b", "1.0", "2.0", Arc::new(Ok)).unwrap();
        registry.lift("a.b", "2.0", "1.0", Arc::new(Ok)).unwrap();
        assert!(matches!(
            registry.route(&mut event("a.b", "1.0")),
            Route::UnknownVersion
        ));
        let fails = |_| Err(Cow::from("no name"));
        registry.lift("a.b", "3.0", "9.0", Arc::new(fails)).unwrap();
        assert!(matches!(
            registry.route(&mut event("a.b", "3.0")),
            Route::NotLifted(why) if why == "no name"
        ));
        registry
            .lift("a.b", "4.0", "9.0", Arc::new(|_| panic!("no")))
            .unwrap();
        assert!(matches!(
            registry.route(&mut event("a.b", "4.0")),
            Route::NotLifted(why) if why.contains("panicked")
        ));
    }
}
