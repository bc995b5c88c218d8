//! Google's Pub/Sub in a project of yours, or an emulator, what a story waits for there, and the figures it gives.

use std::{
    env,
    fmt::{Debug, Display},
    time::{Duration, Instant},
};

use e2e::{eventually::eventually, stage::PROJECT};
use event_operator::pubsub::{
    Code, Grant, Page, PubSub as _, PubSubError, Resource, SubscriptionConfig, TopicConfig,
    google::GooglePubSub,
};
use events::{Connection, ProjectId, connect};
use google_cloud_gax::error::{Error, rpc};
use google_cloud_pubsub::client::{SubscriptionAdmin, TopicAdmin};
use parking_lot::Mutex;
use pubsub_emulator::{Emulator, IamMode, Settings};

use super::made::LABEL;

/// Selects the real project.
const PROJECT_VARIABLE: &str = "GCP_TEST_PROJECT";

/// Where stories are told.
pub(super) struct Service {
    /// The way there.
    pub(super) connection: Connection,
    /// The project.
    pub(super) project: ProjectId,
    /// What every name begins with.
    pub(super) run: String,
    /// As the operator sees it.
    pub(super) pubsub: GooglePubSub,
    /// As it is.
    pub(super) topics: TopicAdmin,
    /// As it is.
    pub(super) subscriptions: SubscriptionAdmin,
    /// None: it is Google's.
    pub(super) emulator: Option<Emulator>,
    /// What the figures are called.
    pub(super) story: &'static str,
    /// What is to be taken away.
    pub(super) made: Mutex<Vec<Resource>>,
}

/// A variable that is set to something.
pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

/// For figures.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// What was refused, as the official client has it.
pub(super) fn refusal<T: Debug>(answer: Result<T, Error>) -> (rpc::Code, String) {
    let error = match answer {
        Ok(answer) => panic!("it is not refused: {answer:?}"),
        Err(error) => error,
    };
    let status = error.status().unwrap_or_else(|| panic!("no status: {error}"));
    (status.code, status.message.clone())
}

impl Service {
    pub(super) async fn connect(story: &'static str, settings: Settings) -> Self {
        let (connection, project, emulator) = if let Some(project) = variable(PROJECT_VARIABLE) {
            (Connection::google(), project, None)
        } else {
            let emulator = Emulator::builder().settings(settings).start().await.unwrap();
            // The agent of a project that nobody has named yet is refused.
            let _ = emulator.project_number(PROJECT);
            let connection = Connection::emulator(&emulator.endpoint());
            (connection, PROJECT.to_owned(), Some(emulator))
        };
        Self {
            project: ProjectId::parse(&project).unwrap(),
            run: format!("{LABEL}-{:08x}", rand::random::<u32>()),
            pubsub: GooglePubSub::connect(&connection).await.unwrap(),
            topics: connect!(TopicAdmin::builder(), &connection)
                .build()
                .await
                .unwrap(),
            subscriptions: connect!(SubscriptionAdmin::builder(), &connection)
                .build()
                .await
                .unwrap(),
            connection,
            emulator,
            story,
            made: Mutex::default(),
        }
    }

    /// One on the emulator, another on Google's.
    pub(super) fn either<T>(&self, emulator: T, google: T) -> T {
        match self.emulator {
            Some(_) => emulator,
            None => google,
        }
    }

    /// How long anything may take that is not known to take longer. Google says "up to several minutes" of IAM
    /// (<https://cloud.google.com/iam/docs/access-change-propagation>).
    pub(super) fn patience(&self) -> Duration {
        self.either(Duration::from_secs(60), Duration::from_secs(15 * 60))
    }

    /// How often it is asked: all of Google's administrative calls are out of one quota.
    pub(super) fn pace(&self) -> Duration {
        self.either(Duration::from_millis(20), Duration::from_millis(500))
    }

    /// Looks, at a pace, until `look` gives `Ok`.
    pub(super) async fn eventually<T, E: Debug>(
        &self,
        wanted: &str,
        mut look: impl AsyncFnMut() -> Result<T, E>,
    ) -> T {
        eventually(wanted, self.patience(), async || {
            let seen = look().await;
            if seen.is_err() {
                tokio::time::sleep(self.pace()).await;
            }
            seen
        })
        .await
    }

    /// How long it takes, from `begun`, until it is so.
    pub(super) async fn until(
        &self,
        wanted: &str,
        begun: Instant,
        mut look: impl AsyncFnMut() -> bool,
    ) -> Duration {
        self.eventually(wanted, async || match look().await {
            true => Ok(begun.elapsed()),
            false => Err("not so"),
        })
        .await
    }

    /// Says what the story found out: one line, which `make test-gcp` repeats at its end.
    #[allow(clippy::print_stdout, reason = "figures are what these stories are told for")]
    pub(super) fn measured(&self, figure: impl Display) {
        let of = self.either(" (emulator)", "");
        println!("measured: {}{of}: {figure}", self.story);
    }

    /// Says why the story is not told.
    #[allow(
        clippy::print_stdout,
        reason = "who reads the figures must see that one is missing"
    )]
    pub(super) fn skipped(&self, why: impl Display) {
        println!("skipped: {}: {why}", self.story);
    }

    /// Tries again what fails because something is not seen yet, or was written by somebody else meanwhile; what fails
    /// otherwise ends the story at once, with the permission that is missing.
    pub(super) async fn patiently<T>(
        &self,
        wanted: &str,
        mut call: impl AsyncFnMut() -> Result<T, PubSubError>,
    ) -> T {
        self.eventually(wanted, async || match call().await {
            Err(error) if !passes(error.code) => panic!("{error} (needs {})", error.permission),
            answer => answer,
        })
        .await
    }

    /// Gives and takes rights.
    pub(super) async fn change_policy(&self, resource: &Resource, add: &[Grant], remove: &[Grant]) {
        // The emulator's administrator has no token.
        let mode = self.emulator.as_ref().map(|emulator| emulator.settings().iam);
        self.set_iam(IamMode::Off);
        self.patiently("the policy is written", async || {
            let policy = self.pubsub.policy(resource).await?;
            self.pubsub
                .set_policy(resource, &policy.changed(add, remove))
                .await
        })
        .await;
        self.set_iam(mode.unwrap_or_default());
    }

    /// Whether the emulator asks for rights; Google always does.
    pub(super) fn set_iam(&self, mode: IamMode) {
        if let Some(emulator) = &self.emulator {
            emulator.change_settings(|settings| settings.iam = mode);
        }
    }

    /// The member of policies that moves dead letters.
    pub(super) async fn service_agent(&self) -> String {
        let number = self.pubsub.project_number(&self.project).await.unwrap();
        format!("serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com")
    }

    /// All topics that the project's list shows.
    pub(super) async fn listed_topics(&self) -> Result<Vec<TopicConfig>, PubSubError> {
        all(async |token| self.pubsub.list_topics(&self.project, token).await).await
    }

    /// All subscriptions that the project's list shows.
    pub(super) async fn listed_subscriptions(&self) -> Result<Vec<SubscriptionConfig>, PubSubError> {
        all(async |token| self.pubsub.list_subscriptions(&self.project, token).await).await
    }
}

fn passes(code: Code) -> bool {
    matches!(
        code,
        Code::NotFound
            | Code::Aborted
            | Code::Unavailable
            | Code::Internal
            | Code::DeadlineExceeded
            | Code::Transport
            | Code::ResourceExhausted
    )
}

async fn all<T>(
    mut list: impl AsyncFnMut(&str) -> Result<Page<T>, PubSubError>,
) -> Result<Vec<T>, PubSubError> {
    let (mut items, mut token) = (Vec::new(), String::new());
    loop {
        let page = list(&token).await?;
        items.extend(page.items);
        if page.next.is_empty() {
            return Ok(items);
        }
        token = page.next;
    }
}
