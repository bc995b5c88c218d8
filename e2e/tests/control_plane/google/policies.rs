//! A principal that does not exist is refused as a wrong argument, which the operator takes for "create it first"; and the
//! first write to a policy needs no read, for it is refused when somebody else has written one.

use crds::Reason;
use event_operator::{
    failure::{Class, Failure},
    pubsub::{
        Code, Grant, Policy, PubSub as _, Resource,
        policy::{PUBLISHER, SUBSCRIBER},
    },
};
use pubsub_emulator::Settings;

use super::made::tell;

/// The agent of a project that there is not: numbers have twelve digits.
const NOBODY: &str = "serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com";

#[tokio::test]
async fn who_does_not_exist_is_refused_and_so_is_an_old_etag() {
    tell("policies", Settings::default(), async |service| {
        let topic = service.topic("policies");
        service.make_topic(&topic).await;
        let subscription = service.subscription("policies", &topic.name);
        service.make_subscription(&subscription).await;
        let on_topic = Resource::Topic(topic.name.clone());
        let on_subscription = Resource::Subscription(subscription.name.clone());
        let grant = |role, member: &str| Grant {
            role,
            member: member.to_owned(),
        };

        // What the operator writes first is the policy that nobody has written, and its etag.
        let mut figures = Vec::new();
        for resource in [&on_topic, &on_subscription] {
            let get = async || service.pubsub.policy(resource).await;
            let unset = service.patiently("it is seen", get).await;
            figures.push(format!("etag of a new one {:?}", unset.etag));
            assert_eq!(unset, Policy::unset(), "{resource}");
        }

        let nobody = grant(SUBSCRIBER, NOBODY);
        let wrong = Policy::unset().changed(&[nobody], &[]);
        let error = service
            .pubsub
            .set_policy(&on_subscription, &wrong)
            .await
            .unwrap_err();
        figures.push(format!(
            "unknown service agent {}: {}",
            error.code.as_str(),
            error.message
        ));
        let failure = Failure::from(error);
        assert_eq!(
            (failure.class, failure.reason),
            (Class::Blocked, Reason::PrincipalNotFound),
            "{failure}"
        );

        let number = service.pubsub.project_number(&service.project).await.unwrap();
        let pool = format!(
            "principal://iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{}/subject/nobody",
            service.run
        );
        let missing_pool = Policy::unset().changed(&[grant(SUBSCRIBER, &pool)], &[]);
        figures.push(
            match service.pubsub.set_policy(&on_subscription, &missing_pool).await {
                Ok(_) => "unknown pool: taken".to_owned(),
                Err(error) => format!("unknown pool {}: {}", error.code.as_str(), error.message),
            },
        );

        let agent = grant(PUBLISHER, &service.service_agent().await);
        let first = Policy::unset().changed(std::slice::from_ref(&agent), &[]);
        let written = service.pubsub.set_policy(&on_topic, &first).await.unwrap();
        assert!(written.has(&agent), "{written:?}");
        let late = service.pubsub.set_policy(&on_topic, &first).await.unwrap_err();
        figures.push(format!("old etag {}: {}", late.code.as_str(), late.message));
        assert!(
            matches!(late.code, Code::Aborted | Code::AlreadyExists | Code::FailedPrecondition),
            "{late}"
        );
        service.measured(figures.join("; "));
    })
    .await;
}
