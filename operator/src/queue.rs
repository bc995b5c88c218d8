//! Who is reconciled next: so many at a time, no object by two at once, and what somebody waits for before what is only looked
//! after.
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
use tokio::sync::Notify;

/// Why an object waits for its turn; the more urgent is the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// The objects of a kind that wait for their turn. Whoever waits costs a key, and nobody who passes by has to step over it.
pub struct Queue<K> {
    state: Mutex<State<K>>,
    /// Somebody may be next.
    changed: Notify,
}

struct State<K> {
    free: usize,
    closed: bool,
    picks: usize,
    /// The number of whoever comes next.
    next: u64,
    lines: HashMap<Lane, BTreeMap<u64, K>>,
    waiting: HashMap<K, Waiting>,
    /// Those that are worked on, with the lane of who was asked for again meanwhile.
    taken: HashMap<K, Option<Lane>>,
}

#[derive(Clone, Copy)]
struct Waiting {
    lane: Lane,
    number: u64,
}

impl<K: fmt::Debug> fmt::Debug for Queue<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Queue")
            .field("free", &state.free)
            .field("lines", &state.lines)
            .field("taken", &state.taken)
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
                taken: HashMap::new(),
            }),
            changed: Notify::new(),
        })
    }

    /// An object is to be looked at. One that waits keeps its place in the line, unless it waits in the lesser one; one that
    /// is worked on gets in line again when that is done.
    pub fn add(&self, key: K, lane: Lane) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if let Some(again) = state.taken.get_mut(&key) {
            *again = Some(again.map_or(lane, |before| before.min(lane)));
            return;
        }
        match state.waiting.get(&key) {
            Some(waiting) if waiting.lane <= lane => return,
            _ => state.join(key, lane),
        }
        self.changed.notify_one();
    }

    /// Somebody changed an object: if it waits, it is the newest change.
    pub fn hurry(&self, key: &K) {
        let mut state = self.state.lock();
        if state.waiting.contains_key(key) {
            state.join(key.clone(), Lane::Changes);
        }
    }

    /// Waits for a free place and somebody whose turn it is. There is nobody once the queue is closed.
    pub async fn next(self: &Arc<Self>) -> Option<Place<K>> {
        loop {
            {
                let mut state = self.state.lock();
                if state.closed {
                    return None;
                }
                if let Some(key) = state.take() {
                    return Some(Place {
                        queue: Arc::clone(self),
                        key,
                    });
                }
            }
            self.changed.notified().await;
        }
    }

    /// Nobody gets a place any more.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.lines.values_mut().for_each(BTreeMap::clear);
        state.waiting.clear();
        self.changed.notify_one();
    }

    /// How many wait in a lane.
    #[must_use]
    pub fn depth(&self, lane: Lane) -> usize {
        self.state.lock().lines.get(&lane).map_or(0, BTreeMap::len)
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    /// Gets in line as the newest, from wherever it waited.
    fn join(&mut self, key: K, lane: Lane) {
        self.leave(&key);
        let number = self.next;
        self.next += 1;
        self.lines.entry(lane).or_default().insert(number, key.clone());
        self.waiting.insert(key, Waiting { lane, number });
    }

    fn leave(&mut self, key: &K) {
        if let Some(Waiting { lane, number }) = self.waiting.remove(key)
            && let Some(line) = self.lines.get_mut(&lane)
        {
            line.remove(&number);
        }
    }

    /// A place for whose turn it is, if there are both.
    fn take(&mut self) -> Option<K> {
        let free = self.free.checked_sub(1)?;
        let key = self.pick()?;
        self.free = free;
        self.leave(&key);
        self.taken.insert(key.clone(), None);
        Some(key)
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

/// A place among those that are worked on, until it is dropped.
pub struct Place<K: Clone + Eq + Hash> {
    queue: Arc<Queue<K>>,
    key: K,
}

impl<K: Clone + Eq + Hash> Place<K> {
    /// Whose it is.
    pub const fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Clone + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        state.free += 1;
        let again = state.taken.remove(&self.key).flatten();
        if let Some(lane) = again
            && !state.closed
        {
            state.join(self.key.clone(), lane);
        }
        self.queue.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    type Names = Queue<&'static str>;

    fn next(queue: &Arc<Names>) -> Option<Place<&'static str>> {
        queue.next().now_or_never().flatten()
    }

    /// Who gets the one place there is, one after the other, until nobody waits.
    fn order(queue: &Arc<Names>) -> Vec<&'static str> {
        std::iter::from_fn(|| Some(*next(queue)?.key())).collect()
    }

    #[test]
    fn the_newest_change_goes_first_and_nobody_waits_for_ever() {
        let queue = Queue::new(1);
        let (changes, upkeep) = (Lane::Changes, Lane::Upkeep);
        for (key, lane) in [
            ("u1", upkeep),
            ("c1", changes),
            ("c2", changes),
            ("u2", upkeep),
            ("c3", changes),
            ("c4", changes),
        ] {
            queue.add(key, lane);
        }
        assert_eq!((queue.depth(changes), queue.depth(upkeep)), (4, 2));
        assert_eq!(order(&queue), ["c4", "c3", "c1", "u1", "c2", "u2"]);
        assert_eq!((queue.depth(changes), queue.depth(upkeep)), (0, 0));
    }

    #[test]
    fn an_edit_of_one_that_waits_brings_it_to_the_front() {
        let queue = Queue::new(1);
        queue.add("kept", Lane::Upkeep);
        queue.add("old", Lane::Changes);
        queue.add("new", Lane::Changes);
        queue.hurry(&"kept");
        queue.hurry(&"nobody");
        assert_eq!(order(&queue), ["kept", "new", "old"]);
    }

    #[test]
    fn who_is_asked_for_again_waits_once_where_it_waited() {
        let queue = Queue::new(1);
        for key in ["a", "b", "a"] {
            queue.add(key, Lane::Changes);
        }
        queue.add("b", Lane::Upkeep);
        assert_eq!((queue.depth(Lane::Changes), queue.depth(Lane::Upkeep)), (2, 0));
        assert_eq!(order(&queue), ["b", "a"], "b is still the newest change");
        queue.add("c", Lane::Upkeep);
        queue.add("d", Lane::Upkeep);
        queue.add("d", Lane::Changes);
        assert_eq!((queue.depth(Lane::Changes), queue.depth(Lane::Upkeep)), (1, 1));
    }

    #[test]
    fn nobody_is_worked_on_twice_at_once_and_an_edit_meanwhile_is_not_lost() {
        let queue = Queue::new(2);
        queue.add("a", Lane::Changes);
        let place = next(&queue).unwrap();
        queue.add("a", Lane::Upkeep);
        queue.add("a", Lane::Changes);
        queue.add("a", Lane::Upkeep);
        assert!(next(&queue).is_none(), "there is a place, and nobody for it");
        drop(place);
        assert_eq!((queue.depth(Lane::Changes), queue.depth(Lane::Upkeep)), (1, 0));
        assert_eq!(order(&queue), ["a"]);
    }

    #[tokio::test]
    async fn a_place_is_waited_for_and_given_back_by_whoever_ends() {
        let queue = Queue::new(1);
        queue.add("a", Lane::Changes);
        queue.add("b", Lane::Upkeep);
        let place = queue.next().await.unwrap();
        assert_eq!(*place.key(), "a");
        let mut waits = std::pin::pin!(queue.next());
        assert!((&mut waits).now_or_never().is_none());
        drop(place);
        assert_eq!(waits.await.unwrap().key(), &"b");
    }

    #[tokio::test]
    async fn at_the_end_nobody_waits() {
        let queue = Queue::new(1);
        queue.add("a", Lane::Changes);
        let place = queue.next().await.unwrap();
        queue.add("a", Lane::Changes);
        queue.add("b", Lane::Changes);
        let waits = queue.next();
        queue.close();
        assert!(waits.await.is_none());
        drop(place);
        queue.add("c", Lane::Upkeep);
        assert_eq!((queue.depth(Lane::Changes), queue.depth(Lane::Upkeep)), (0, 0));
        assert!(queue.next().await.is_none());
    }
}
