//! How many messages wait, remembered: however many ask, a project is measured once a minute, by one query for all of its
//! subscriptions, and not at all while nobody asks.

use std::{collections::HashMap, sync::Arc, time::Duration};

use events::{ProjectId, SubscriptionName};
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{FRESH, Monitoring, Unread};

/// What is older is no answer any more: Pub/Sub's metrics are up to four minutes late already.
const MAX_AGE: Duration = Duration::from_secs(300);

/// How long the first to ask waits. KEDA gives up after a few seconds, and asks again.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is remembered of all projects.
pub struct Backlogs {
    monitoring: Arc<dyn Monitoring>,
    every: Duration,
    projects: Mutex<HashMap<ProjectId, Arc<Project>>>,
}

#[derive(Default)]
struct Project {
    question: Mutex<Question>,
    answer: watch::Sender<Answer>,
}

/// When it was last asked of Monitoring.
#[derive(Default)]
struct Question {
    asked: Option<Instant>,
    is_open: bool,
}

/// What was last heard.
#[derive(Default, Clone)]
struct Answer {
    /// When the question was asked that this answers.
    measured: Option<(Instant, Arc<HashMap<String, u64>>)>,
    /// Why there is no newer one.
    failed: Option<Unread>,
    /// How many answers there were, good or bad.
    count: u64,
}

impl Answer {
    fn fresh(&self) -> Option<&Arc<HashMap<String, u64>>> {
        let (at, undelivered) = self.measured.as_ref()?;
        (at.elapsed() < MAX_AGE).then_some(undelivered)
    }
}

impl From<Answer> for Result<Measured, Unread> {
    fn from(answer: Answer) -> Self {
        match (answer.fresh(), answer.failed.clone()) {
            (Some(undelivered), _) => Ok(Measured(Arc::clone(undelivered))),
            (None, Some(unread)) => Err(unread),
            (None, None) => Err(Unread("there is no answer yet".to_owned())),
        }
    }
}

/// The measurements of one project: messages by the subscription's id.
#[derive(Debug, Clone)]
pub struct Measured(Arc<HashMap<String, u64>>);

impl Measured {
    /// How many messages wait in a subscription; none when Monitoring says nothing of it.
    #[must_use]
    pub fn messages(&self, name: &SubscriptionName) -> Option<u64> {
        self.0.get(name.id()).copied()
    }
}

impl Backlogs {
    /// Nothing is known yet; a project is measured at most once a minute.
    #[must_use]
    pub fn new(monitoring: Arc<dyn Monitoring>) -> Self {
        Self::measuring(monitoring, FRESH)
    }

    /// The same, at most once in so long.
    #[must_use]
    pub fn measuring(monitoring: Arc<dyn Monitoring>, every: Duration) -> Self {
        Self {
            monitoring,
            every,
            projects: Mutex::default(),
        }
    }

    /// The newest measurements of a project, not older than five minutes. Measured anew in the background when they are older
    /// than a minute; only who finds none at all waits for it, a moment.
    ///
    /// # Errors
    /// When there are none; never an empty answer in their place.
    pub async fn of(&self, id: &ProjectId) -> Result<Measured, Unread> {
        let project = Arc::clone(self.projects.lock().entry(id.clone()).or_default());
        let mut answers = project.answer.subscribe();
        let open = self.ask_if_due(id, &project);
        let mut answer = answers.borrow_and_update().clone();
        if answer.fresh().is_none() && open {
            let heard = answer.count;
            let newer = answers.wait_for(|answer| answer.count > heard);
            if let Ok(Ok(newer)) = timeout(PATIENCE, newer).await {
                answer = newer.clone();
            }
        }
        answer.into()
    }

    /// What is remembered of a project, without asking.
    ///
    /// # Errors
    /// When nothing is, or it is too old.
    pub fn known(&self, id: &ProjectId) -> Result<Measured, Unread> {
        let project = self.projects.lock().get(id).map(Arc::clone);
        let answer = project.map(|project| project.answer.borrow().clone());
        answer.unwrap_or_default().into()
    }

    /// Whether a question is open then. It is asked by a task of its own, so that it is not given up with the one who asked.
    fn ask_if_due(&self, id: &ProjectId, project: &Arc<Project>) -> bool {
        let begun = Instant::now();
        {
            let mut question = project.question.lock();
            let due = question.asked.is_none_or(|at| at.elapsed() >= self.every);
            if question.is_open || !due {
                return question.is_open;
            }
            question.asked = Some(begun);
            question.is_open = true;
        }
        let (monitoring, id, project) = (Arc::clone(&self.monitoring), id.clone(), Arc::clone(project));
        tokio::spawn(async move {
            let undelivered = monitoring.undelivered(&id).await;
            project.answer.send_modify(|answer| {
                answer.count += 1;
                match undelivered {
                    Ok(undelivered) => {
                        answer.measured = Some((begun, Arc::new(undelivered)));
                        answer.failed = None;
                    }
                    Err(unread) => {
                        tracing::warn!(project = %id, why = unread.0, "Cloud Monitoring could not be asked for backlogs.");
                        answer.failed = Some(unread);
                    }
                }
            });
            project.question.lock().is_open = false;
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_trait::async_trait;

    use super::{super::Oldest, *};

    /// Answers with the number of the question, or not at all.
    #[derive(Default)]
    struct Counting {
        asked: AtomicU64,
        down: Mutex<bool>,
    }

    #[async_trait]
    impl Monitoring for Counting {
        async fn oldest_unacked(&self, _: &ProjectId) -> Result<HashMap<String, Oldest>, Unread> {
            Ok(HashMap::new())
        }

        async fn delivered(&self, _: &ProjectId, _: Duration) -> Result<HashMap<String, u64>, Unread> {
            Ok(HashMap::new())
        }

        async fn undelivered(&self, _: &ProjectId) -> Result<HashMap<String, u64>, Unread> {
            let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            match *self.down.lock() {
                true => Err(Unread("down".into())),
                false => Ok(HashMap::from([("events-acme-worker".to_owned(), number)])),
            }
        }
    }

    fn acme() -> ProjectId {
        ProjectId::parse("acme-events").unwrap()
    }

    async fn messages(backlogs: &Backlogs) -> Result<u64, String> {
        let name = SubscriptionName::new(&acme(), "events-acme-worker").unwrap();
        let measured = backlogs.of(&acme()).await.map_err(|unread| unread.0)?;
        Ok(measured.messages(&name).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_ask_and_it_is_measured_once_a_minute() {
        let counting = Arc::new(Counting::default());
        let backlogs = Backlogs::new(counting.clone());
        let all = (0..1000).map(|_| messages(&backlogs));
        for one in futures::future::join_all(all).await {
            assert_eq!(one, Ok(1));
        }
        assert_eq!(counting.asked.load(Ordering::SeqCst), 1);
        tokio::time::advance(FRESH).await;
        assert_eq!(messages(&backlogs).await, Ok(1), "nobody waits for the next");
        tokio::task::yield_now().await;
        assert_eq!(messages(&backlogs).await, Ok(2));
        tokio::time::advance(FRESH * 60).await;
        assert_eq!(
            counting.asked.load(Ordering::SeqCst),
            2,
            "while nobody asks it is not measured"
        );
        assert_eq!(messages(&backlogs).await, Ok(3), "an hour old is no answer");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_old_is_no_answer_and_never_a_zero() {
        let counting = Arc::new(Counting::default());
        let backlogs = Backlogs::new(counting.clone());
        assert_eq!(messages(&backlogs).await, Ok(1));
        *counting.down.lock() = true;
        for _ in 0..4 {
            tokio::time::advance(FRESH).await;
            assert_eq!(messages(&backlogs).await, Ok(1));
            tokio::task::yield_now().await;
        }
        tokio::time::advance(FRESH).await;
        assert_eq!(messages(&backlogs).await, Err("down".into()));
        assert!(backlogs.known(&acme()).is_err());
        *counting.down.lock() = false;
        tokio::time::advance(FRESH).await;
        assert_eq!(messages(&backlogs).await, Ok(7));
    }
}
