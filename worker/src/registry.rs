//! Pure: which handler an event goes to, and in which version of its payload.

#[cfg(test)]
mod tests;

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

    /// Wraps every handler that is registered by now. Handlers of a registry that is shared already stay as they are.
    pub fn layer(&mut self, layer: &dyn Fn(Arc<dyn Handler>) -> Arc<dyn Handler>) {
        let of_types = self
            .types
            .values_mut()
            .flat_map(|of_type| of_type.versions.values_mut().chain(&mut of_type.any));
        for registered in of_types.chain(self.categories.values_mut()).chain(&mut self.rest) {
            if let Some(registered) = Arc::get_mut(registered) {
                registered.handler = layer(Arc::clone(&registered.handler));
            }
        }
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
