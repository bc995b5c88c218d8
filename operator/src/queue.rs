//! Who is reconciled next: so many at a time, and what somebody waits for before what is only looked after.
//!
//! kube's own queue is first come, first served: behind the fleet of a first sync, which the quota stretches over minutes,
//! an edit would wait for all of it.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::Hash,
    sync::Arc,
};

use crds::{ConditionType, Conditioned, condition};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Why an object waits for its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// What was asked for is not so yet: it is new, edited, being deleted, or failing.
    Changes,
    /// It was as asked; it is looked after.
    Upkeep,
}

impl Lane {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Changes, Self::Upkeep];

    /// As metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Upkeep => "upkeep",
        }
    }

    /// The lane of an object, by what its status says.
    #[must_use]
    pub fn of(object: &impl Conditioned) -> Self {
        let meta = object.meta();
        let is_kept = meta.deletion_timestamp.is_none()
            && condition::holds(object.conditions(), ConditionType::Ready, meta.generation);
        if is_kept { Self::Upkeep } else { Self::Changes }
    }
}

/// Whose turn a free place is, in rotation, so that nobody waits for ever. The newest change goes first: the last edit is
/// the one that somebody looks at, whatever was asked for in bulk before it.
const ROTATION: [Pick; 4] = [
    Pick::NewestChange,
    Pick::NewestChange,
    Pick::OldestChange,
    Pick::Upkeep,
];

#[derive(Debug, Clone, Copy)]
enum Pick {
    NewestChange,
    OldestChange,
    Upkeep,
}

/// The objects of a kind that wait for their turn.
pub struct Queue<K> {
    state: Mutex<State<K>>,
}

struct State<K> {
    free: usize,
    closed: bool,
    picks: usize,
    /// The number of whoever comes next.
    next: u64,
    lines: HashMap<Lane, BTreeMap<u64, K>>,
    waiting: HashMap<K, Waiting>,
}

struct Waiting {
    lane: Lane,
    number: u64,
    go: oneshot::Sender<()>,
}

impl<K: fmt::Debug> fmt::Debug for Queue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Queue")
            .field("free", &state.free)
            .field("lines", &state.lines)
            .finish_non_exhaustive()
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// A queue before so many places.
    #[must_use]
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free: places,
                closed: false,
                picks: 0,
                next: 0,
                lines: Lane::ALL.map(|lane| (lane, BTreeMap::new())).into(),
                waiting: HashMap::new(),
            }),
        })
    }

    /// Waits for a place, which is given back when it is dropped. There is none once the queue is closed. An object waits
    /// once: whoever asks again for it takes the place of the one before, who gets none.
    pub async fn enter(self: &Arc<Self>, key: K, lane: Lane) -> Option<Place<K>> {
        let mut turn = {
            let mut state = self.state.lock();
            if state.closed {
                return None;
            }
            if state.free > 0 {
                state.free -= 1;
                return Some(Place(Arc::clone(self)));
            }
            let (go, turn) = oneshot::channel();
            state.leave(&key);
            state.join(key.clone(), lane, go);
            Turn {
                queue: self,
                key,
                comes: turn,
            }
        };
        (&mut turn.comes).await.ok()?;
        Some(Place(Arc::clone(self)))
    }

    /// Somebody changed an object: if it waits, it is the newest change.
    pub fn hurry(&self, key: &K) {
        let mut state = self.state.lock();
        if let Some(waiting) = state.leave(key) {
            state.join(key.clone(), Lane::Changes, waiting.go);
        }
    }

    /// Nobody gets a place any more; whoever waits is told so.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.lines.values_mut().for_each(BTreeMap::clear);
        state.waiting.clear();
    }

    /// How many wait in a lane.
    #[must_use]
    pub fn depth(&self, lane: Lane) -> usize {
        self.state.lock().lines.get(&lane).map_or(0, BTreeMap::len)
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn join(&mut self, key: K, lane: Lane, go: oneshot::Sender<()>) {
        let number = self.next;
        self.next += 1;
        self.lines.entry(lane).or_default().insert(number, key.clone());
        self.waiting.insert(key, Waiting { lane, number, go });
    }

    fn leave(&mut self, key: &K) -> Option<Waiting> {
        let waiting = self.waiting.remove(key)?;
        if let Some(line) = self.lines.get_mut(&waiting.lane) {
            line.remove(&waiting.number);
        }
        Some(waiting)
    }

    /// A place is free: gives it to whose turn it is.
    fn give(&mut self) {
        while let Some(key) = self.pick() {
            if let Some(waiting) = self.leave(&key)
                && waiting.go.send(()).is_ok()
            {
                return;
            }
        }
        self.free += 1;
    }

    fn pick(&mut self) -> Option<K> {
        let changes = self.lines.get(&Lane::Changes);
        let upkeep = self.lines.get(&Lane::Upkeep);
        let newest = || changes?.last_key_value();
        let oldest = || changes?.first_key_value();
        let kept = || upkeep?.first_key_value();
        let pick = ROTATION.get(self.picks % ROTATION.len())?;
        let (_, key) = match pick {
            Pick::NewestChange => newest().or_else(kept),
            Pick::OldestChange => oldest().or_else(kept),
            Pick::Upkeep => kept().or_else(newest),
        }?;
        let key = key.clone();
        self.picks = self.picks.wrapping_add(1);
        Some(key)
    }
}

/// Somebody who waits; whoever gives up is taken out of the line.
struct Turn<'a, K: Clone + Eq + Hash> {
    queue: &'a Queue<K>,
    key: K,
    comes: oneshot::Receiver<()>,
}

impl<K: Clone + Eq + Hash> Drop for Turn<'_, K> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        self.comes.close();
        // Another may wait for the same object by now.
        if state
            .waiting
            .get(&self.key)
            .is_some_and(|waiting| waiting.go.is_closed())
        {
            state.leave(&self.key);
        }
        // The turn came, and nobody took it.
        if self.comes.try_recv().is_ok() {
            state.give();
        }
    }
}

/// A place among those that are worked on.
pub struct Place<K: Clone + Eq + Hash>(Arc<Queue<K>>);

impl<K: Clone + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        self.0.state.lock().give();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    type Entering<'a> = futures::future::BoxFuture<'a, Option<Place<&'static str>>>;

    /// Those that wait, polled once, so that they are in line.
    fn wait<'a>(
        queue: &'a Arc<Queue<&'static str>>,
        who: &[(&'static str, Lane)],
    ) -> HashMap<&'static str, Entering<'a>> {
        let enter = |(key, lane): &(&'static str, Lane)| {
            let mut entering = queue.enter(key, *lane).boxed();
            assert!((&mut entering).now_or_never().is_none(), "{key} has to wait");
            (*key, entering)
        };
        who.iter().map(enter).collect()
    }

    /// Gives the place on until nobody waits; says in which order.
    fn order(
        mut place: Place<&'static str>,
        mut waiting: HashMap<&'static str, Entering<'_>>,
    ) -> Vec<&'static str> {
        let mut order = Vec::new();
        while !waiting.is_empty() {
            drop(place);
            let (key, next) = waiting
                .iter_mut()
                .find_map(|(key, entering)| Some((*key, entering.now_or_never()?)))
                .unwrap();
            waiting.remove(key);
            order.push(key);
            place = next.unwrap();
        }
        order
    }

    #[test]
    fn the_newest_change_goes_first_and_nobody_waits_for_ever() {
        let queue = Queue::new(1);
        let place = queue
            .enter("first", Lane::Changes)
            .now_or_never()
            .flatten()
            .unwrap();
        let (changes, upkeep) = (Lane::Changes, Lane::Upkeep);
        let waiting = wait(
            &queue,
            &[
                ("u1", upkeep),
                ("c1", changes),
                ("c2", changes),
                ("u2", upkeep),
                ("c3", changes),
                ("c4", changes),
            ],
        );
        assert_eq!((queue.depth(changes), queue.depth(upkeep)), (4, 2));
        assert_eq!(order(place, waiting), ["c4", "c3", "c1", "u1", "c2", "u2"]);
        assert_eq!((queue.depth(changes), queue.depth(upkeep)), (0, 0));
    }

    #[test]
    fn an_edit_of_one_that_waits_brings_it_to_the_front() {
        let queue = Queue::new(1);
        let place = queue
            .enter("first", Lane::Changes)
            .now_or_never()
            .flatten()
            .unwrap();
        let waiting = wait(
            &queue,
            &[
                ("kept", Lane::Upkeep),
                ("old", Lane::Changes),
                ("new", Lane::Changes),
            ],
        );
        queue.hurry(&"kept");
        queue.hurry(&"nobody");
        assert_eq!(order(place, waiting), ["kept", "new", "old"]);
    }

    #[test]
    fn whoever_gives_up_costs_nobody_a_place() {
        let queue = Queue::new(1);
        let place = queue
            .enter("first", Lane::Changes)
            .now_or_never()
            .flatten()
            .unwrap();
        let mut waiting = wait(
            &queue,
            &[("a", Lane::Changes), ("b", Lane::Changes), ("c", Lane::Changes)],
        );
        waiting.remove("c");
        assert_eq!(queue.depth(Lane::Changes), 2);
        drop(place);
        // It was b's turn, and b has not heard so yet.
        waiting.remove("b");
        assert!(waiting.remove("a").unwrap().now_or_never().flatten().is_some());
        assert!(
            queue.enter("d", Lane::Upkeep).now_or_never().flatten().is_some(),
            "the place is free again"
        );
    }

    #[test]
    fn at_the_end_nobody_waits() {
        let queue = Queue::new(1);
        let place = queue
            .enter("first", Lane::Changes)
            .now_or_never()
            .flatten()
            .unwrap();
        let mut waiting = wait(&queue, &[("a", Lane::Changes)]);
        queue.close();
        assert!(waiting.remove("a").unwrap().now_or_never().unwrap().is_none());
        drop(place);
        assert!(queue.enter("b", Lane::Changes).now_or_never().unwrap().is_none());
    }
}
