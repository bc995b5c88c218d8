//! The port over Google's official crates: the only file, with [`convert`] and [`fault`], that knows them.
//!
//! The crate's own retries are off: the operator has one place that decides when to try again, and a call that was
//! applied though its answer was lost must be looked at before it is sent again. Every attempt has a deadline, because
//! without one a call can hang for ever.

mod convert;
mod fault;

use std::time::Duration;

use async_trait::async_trait;
use events::{Connection, ProjectId, SubscriptionName, TopicName, connect};
use google_cloud_gax::{options::RequestOptionsBuilder as _, retry_policy::NeverRetry};
use google_cloud_iam_v1::model::GetPolicyOptions;
use google_cloud_pubsub::client::{SchemaService, SubscriptionAdmin, TopicAdmin};
use google_cloud_resourcemanager_v3::client::Projects;
use google_cloud_wkt::FieldMask;

use self::fault::{Call, fault};
use super::{
    Code, Page, Policy, PubSub, PubSubError, Resource, SubscriptionConfig, SubscriptionField, TopicConfig,
    TopicField, policy,
};

/// How long one call may take. Google's own deadline for these calls is 60 s; a controller had better ask again.
const DEADLINE: Duration = Duration::from_secs(30);

/// Asked for on every page; the server may give fewer.
const PAGE_SIZE: i32 = 1000;

/// Google's Pub/Sub, or an emulator.
pub struct GooglePubSub {
    topics: TopicAdmin,
    subscriptions: SubscriptionAdmin,
    /// Its `get_iam_policy` and `set_iam_policy` carry the right paths for topics and subscriptions too.
    iam: SchemaService,
    projects: Projects,
}

impl GooglePubSub {
    /// Makes the clients.
    ///
    /// # Errors
    /// No credentials, or an endpoint that is no URL.
    pub async fn connect(connection: &Connection) -> Result<Self, google_cloud_gax::client_builder::Error> {
        Ok(Self {
            topics: connect!(TopicAdmin::builder(), connection)
                .with_retry_policy(NeverRetry)
                .build()
                .await?,
            subscriptions: connect!(SubscriptionAdmin::builder(), connection)
                .with_retry_policy(NeverRetry)
                .build()
                .await?,
            iam: connect!(SchemaService::builder(), connection)
                .with_retry_policy(NeverRetry)
                .build()
                .await?,
            projects: connect!(Projects::builder(), connection)
                .with_retry_policy(NeverRetry)
                .build()
                .await?,
        })
    }
}

#[async_trait]
impl PubSub for GooglePubSub {
    async fn list_topics(&self, project: &ProjectId, token: &str) -> Result<Page<TopicConfig>, PubSubError> {
        let answer = self
            .topics
            .list_topics()
            .set_project(format!("projects/{project}"))
            .set_page_size(PAGE_SIZE)
            .set_page_token(token)
            .with_attempt_timeout(DEADLINE)
            .send()
            .await
            .map_err(|error| fault(Call::ListTopics, project, &error))?;
        // A name that is not one of ours to make cannot be one of ours.
        let items = answer
            .topics
            .into_iter()
            .filter_map(|topic| convert::topic(topic).ok())
            .collect();
        Ok(Page {
            items,
            next: answer.next_page_token,
        })
    }

    async fn list_subscriptions(
        &self,
        project: &ProjectId,
        token: &str,
    ) -> Result<Page<SubscriptionConfig>, PubSubError> {
        let answer = self
            .subscriptions
            .list_subscriptions()
            .set_project(format!("projects/{project}"))
            .set_page_size(PAGE_SIZE)
            .set_page_token(token)
            .with_attempt_timeout(DEADLINE)
            .send()
            .await
            .map_err(|error| fault(Call::ListSubscriptions, project, &error))?;
        let items = answer
            .subscriptions
            .into_iter()
            .filter_map(|one| convert::subscription(one).ok())
            .collect();
        Ok(Page {
            items,
            next: answer.next_page_token,
        })
    }

    async fn topic(&self, name: &TopicName) -> Result<TopicConfig, PubSubError> {
        let answer = self
            .topics
            .get_topic()
            .set_topic(name.to_string())
            .with_attempt_timeout(DEADLINE)
            .send()
            .await;
        let topic = answer.map_err(|error| fault(Call::GetTopic, name, &error))?;
        convert::topic(topic).map_err(|error| Call::GetTopic.unreadable(name, &error))
    }

    async fn subscription(&self, name: &SubscriptionName) -> Result<SubscriptionConfig, PubSubError> {
        let call = Call::GetSubscription;
        let answer = self
            .subscriptions
            .get_subscription()
            .set_subscription(name.to_string())
            .with_attempt_timeout(DEADLINE)
            .send()
            .await;
        let subscription = answer.map_err(|error| fault(call, name, &error))?;
        convert::subscription(subscription).map_err(|error| call.unreadable(name, &error))
    }

    async fn create_topic(&self, topic: &TopicConfig) -> Result<TopicConfig, PubSubError> {
        let call = Call::CreateTopic;
        let request = convert::topic_to_google(topic);
        let answer = self
            .topics
            .create_topic()
            .with_request(request)
            .with_attempt_timeout(DEADLINE)
            .send()
            .await
            .map_err(|error| fault(call, &topic.name, &error))?;
        convert::topic(answer).map_err(|error| call.unreadable(&topic.name, &error))
    }

    async fn update_topic(
        &self,
        topic: &TopicConfig,
        fields: &[TopicField],
    ) -> Result<TopicConfig, PubSubError> {
        let call = Call::UpdateTopic;
        let paths = fields.iter().copied().map(convert::topic_path);
        let answer = self
            .topics
            .update_topic()
            .set_topic(convert::topic_to_google(topic))
            .set_update_mask(FieldMask::default().set_paths(paths))
            .with_attempt_timeout(DEADLINE)
            .send()
            .await
            .map_err(|error| fault(call, &topic.name, &error))?;
        convert::topic(answer).map_err(|error| call.unreadable(&topic.name, &error))
    }

    async fn create_subscription(
        &self,
        subscription: &SubscriptionConfig,
    ) -> Result<SubscriptionConfig, PubSubError> {
        let call = Call::CreateSubscription;
        let request = convert::subscription_to_google(subscription);
        let answer = self
            .subscriptions
            .create_subscription()
            .with_request(request)
            .with_attempt_timeout(DEADLINE)
            .send()
            .await
            .map_err(|error| fault(call, &subscription.name, &error))?;
        convert::subscription(answer).map_err(|error| call.unreadable(&subscription.name, &error))
    }

    async fn update_subscription(
        &self,
        subscription: &SubscriptionConfig,
        fields: &[SubscriptionField],
    ) -> Result<SubscriptionConfig, PubSubError> {
        let call = Call::UpdateSubscription;
        let paths = fields.iter().copied().map(convert::subscription_path);
        let answer = self
            .subscriptions
            .update_subscription()
            .set_subscription(convert::subscription_to_google(subscription))
            .set_update_mask(FieldMask::default().set_paths(paths))
            .with_attempt_timeout(DEADLINE)
            .send()
            .await
            .map_err(|error| fault(call, &subscription.name, &error))?;
        convert::subscription(answer).map_err(|error| call.unreadable(&subscription.name, &error))
    }

    async fn delete_subscription(&self, name: &SubscriptionName) -> Result<(), PubSubError> {
        self.subscriptions
            .delete_subscription()
            .set_subscription(name.to_string())
            .with_attempt_timeout(DEADLINE)
            .send()
            .await
            .map_err(|error| fault(Call::DeleteSubscription, name, &error))
    }

    async fn policy(&self, resource: &Resource) -> Result<Policy, PubSubError> {
        let answer = self
            .iam
            .get_iam_policy()
            .set_resource(resource.to_string())
            .set_options(GetPolicyOptions::new().set_requested_policy_version(policy::VERSION))
            .with_attempt_timeout(DEADLINE)
            .send()
            .await
            .map_err(|error| fault(Call::get_policy(resource), resource, &error))?;
        Ok(convert::policy(answer))
    }

    async fn set_policy(&self, resource: &Resource, policy: &Policy) -> Result<Policy, PubSubError> {
        let answer = self
            .iam
            .set_iam_policy()
            .set_resource(resource.to_string())
            .set_policy(convert::policy_to_google(policy))
            .with_attempt_timeout(DEADLINE)
            .send()
            .await
            .map_err(|error| fault(Call::set_policy(resource), resource, &error))?;
        Ok(convert::policy(answer))
    }

    async fn project_number(&self, project: &ProjectId) -> Result<u64, PubSubError> {
        let call = Call::GetProject;
        let answer = self
            .projects
            .get_project()
            .set_name(format!("projects/{project}"))
            .with_attempt_timeout(DEADLINE)
            .send()
            .await
            .map_err(|error| fault(call, project, &error))?;
        // The answer's name is `projects/{number}` (https://cloud.google.com/resource-manager/reference/rest/v3/projects).
        answer
            .name
            .strip_prefix("projects/")
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| {
                call.error(
                    project,
                    Code::Internal,
                    "the answer holds no project number".to_owned(),
                )
            })
    }
}
