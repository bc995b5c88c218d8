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
    /// Somebody wrote it: it is new, edited or being deleted.
    Edits,
    /// What was asked for is not so yet, and something that it depends on changed, or it is tried again.
    Changes,
    /// It was as asked; it is looked after.
    Upkeep,
}

impl Lane {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Edits, Self::Changes, Self::Upkeep];

    /// As metrics write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edits => "edits",
            Self::Changes => "changes",
            Self::Upkeep => "upkeep",
        }
    }

    /// This one, or that of upkeep for an object that is as asked.
    #[must_use]
    pub fn unless_kept(self, object: &impl Conditioned) -> Self {
        if is_kept(object) { Self::Upkeep } else { self }
    }
}

/// Whether an object is as asked, by what its status says: then whatever is done for it is upkeep.
#[must_use]
pub fn is_kept(object: &impl Conditioned) -> bool {
    let meta = object.meta();
    meta.deletion_timestamp.is_none()
        && condition::holds(object.conditions(), ConditionType::Ready, meta.generation)
}

/// Whose turn a free place is, in rotation, so that nobody waits for ever. The newest edit goes first: it is the one that
/// somebody looks at, whatever was asked for in bulk before it. What only follows from other work goes in the order it came:
/// there is so much of it in a first sync that every edit would soon lie under it.
const ROTATION: [Pick; 6] = [
    Pick::NewestEdit,
    Pick::OldestChange,
    Pick::NewestEdit,
    Pick::OldestEdit,
    Pick::OldestChange,
    Pick::Upkeep,
];

#[derive(Debug, Clone, Copy)]
enum Pick {
    NewestEdit,
    OldestEdit,
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

    /// An object is to be looked at. One that waits keeps its place in the line, unless it waits in a lesser one or was edited
    /// again; one that is worked on gets in line again when that is done.
    pub fn add(&self, key: K, lane: Lane) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if let Some(again) = state.taken.get_mut(&key) {
            *again = Some(again.map_or(lane, |before| before.min(lane)));
            return;
        }
        let stays = state
            .waiting
            .get(&key)
            .is_some_and(|waiting| waiting.lane <= lane && lane != Lane::Edits);
        if !stays {
            state.join(key, lane);
            self.changed.notify_one();
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
        let line = |lane| self.lines.get(&lane);
        let oldest = |lane| line(lane)?.first_key_value();
        let newest_edit = || line(Lane::Edits)?.last_key_value();
        let pick = match ROTATION.get(self.picks % ROTATION.len())? {
            Pick::NewestEdit => newest_edit(),
            Pick::OldestEdit => oldest(Lane::Edits),
            Pick::OldestChange => oldest(Lane::Changes),
            Pick::Upkeep => oldest(Lane::Upkeep),
        };
        let (_, key) = pick
            .or_else(newest_edit)
            .or_else(|| oldest(Lane::Changes))
            .or_else(|| oldest(Lane::Upkeep))?;
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

    const ALL: [Lane; 3] = Lane::ALL;

    fn depths(queue: &Names) -> [usize; 3] {
        ALL.map(|lane| queue.depth(lane))
    }

    #[test]
    fn the_newest_edit_goes_first_and_nobody_waits_for_ever() {
        let queue = Queue::new(1);
        let [edits, changes, upkeep] = ALL;
        for (key, lane) in [
            ("u1", upkeep),
            ("e1", edits),
            ("c1", changes),
            ("e2", edits),
            ("c2", changes),
            ("u2", upkeep),
            ("e3", edits),
            ("e4", edits),
            ("c3", changes),
        ] {
            queue.add(key, lane);
        }
        assert_eq!(depths(&queue), [4, 3, 2]);
        assert_eq!(
            order(&queue),
            ["e4", "c1", "e3", "e1", "c2", "u1", "e2", "c3", "u2"]
        );
        assert_eq!(depths(&queue), [0, 0, 0]);
    }

    #[test]
    fn what_follows_from_other_work_does_not_bury_an_edit() {
        let queue = Queue::new(1);
        queue.add("edit", Lane::Edits);
        for key in ["a", "b", "c", "d"] {
            queue.add(key, Lane::Changes);
        }
        assert_eq!(order(&queue), ["edit", "a", "b", "c", "d"]);
    }

    #[test]
    fn an_edit_of_one_that_waits_brings_it_to_the_front() {
        let queue = Queue::new(1);
        queue.add("kept", Lane::Upkeep);
        queue.add("old", Lane::Edits);
        queue.add("new", Lane::Edits);
        queue.add("old", Lane::Edits);
        queue.add("kept", Lane::Edits);
        assert_eq!(order(&queue), ["kept", "old", "new"]);
    }

    #[test]
    fn who_is_triggered_again_waits_once_where_it_waited() {
        let queue = Queue::new(1);
        for key in ["a", "b", "a"] {
            queue.add(key, Lane::Changes);
        }
        queue.add("b", Lane::Upkeep);
        assert_eq!(depths(&queue), [0, 2, 0]);
        queue.add("c", Lane::Upkeep);
        queue.add("c", Lane::Changes);
        assert_eq!(depths(&queue), [0, 3, 0]);
        assert_eq!(order(&queue), ["a", "b", "c"]);
    }

    #[test]
    fn nobody_is_worked_on_twice_at_once_and_an_edit_meanwhile_is_not_lost() {
        let queue = Queue::new(2);
        queue.add("a", Lane::Changes);
        let place = next(&queue).unwrap();
        queue.add("a", Lane::Upkeep);
        queue.add("a", Lane::Edits);
        queue.add("a", Lane::Changes);
        assert!(next(&queue).is_none(), "there is a place, and nobody for it");
        drop(place);
        assert_eq!(depths(&queue), [1, 0, 0]);
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
        assert_eq!(depths(&queue), [0, 0, 0]);
        assert!(queue.next().await.is_none());
    }
}
