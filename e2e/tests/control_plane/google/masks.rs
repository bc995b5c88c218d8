//! A filter in an update: refused when the mask names it, even unchanged; ignored when the mask does not. The operator's
//! masks name what differs, and the message around them is the whole subscription.

use std::time::Duration;

use event_operator::pubsub::{PubSub as _, SubscriptionConfig, SubscriptionField};
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::model;
use google_cloud_wkt::FieldMask;
use pubsub_emulator::Settings;

use super::{
    made::tell,
    service::{Service, refusal},
};

const FILTER: &str = r#"attributes.tenant_id = "tenant-123""#;
const OTHER: &str = r#"attributes.tenant_id = "tenant-456""#;

/// An update of the subscription that says this filter, under this mask, and has to be refused.
async fn refused(
    service: &Service,
    subscription: &SubscriptionConfig,
    filter: &str,
    mask: &[&str],
) -> String {
    let message = model::Subscription::new()
        .set_name(subscription.name.to_string())
        .set_filter(filter);
    let answer = service
        .subscriptions
        .update_subscription()
        .set_subscription(message)
        .set_update_mask(FieldMask::default().set_paths(mask.iter().copied()))
        .send()
        .await;
    let (code, message) = refusal(answer);
    assert_eq!(code, Code::InvalidArgument, "{mask:?}: {message}");
    format!("{mask:?}: {message}")
}

#[tokio::test]
async fn a_filter_is_not_changed_and_does_not_stand_in_the_way() {
    tell("update masks", Settings::default(), async |service| {
        let topic = service.topic("masks");
        service.make_topic(&topic).await;
        let mut subscription = service.subscription("masks", &topic.name);
        subscription.filter = FILTER.to_owned();
        service.make_subscription(&subscription).await;
        let get = async || service.pubsub.subscription(&subscription.name).await;
        service.patiently("it is seen", get).await;

        let refusals = [
            refused(service, &subscription, FILTER, &["filter"]).await,
            refused(service, &subscription, OTHER, &["filter"]).await,
            refused(service, &subscription, FILTER, &["labels", "filter"]).await,
            refused(service, &subscription, FILTER, &[]).await,
            refused(service, &subscription, FILTER, &["no_such_field"]).await,
        ];
        service.measured(refusals.join("; "));

        let wanted = SubscriptionConfig {
            ack_deadline: Duration::from_secs(33),
            ..subscription.clone()
        };
        let with_another_filter = SubscriptionConfig {
            filter: OTHER.to_owned(),
            ..wanted.clone()
        };
        let updated = service
            .pubsub
            .update_subscription(&with_another_filter, &[SubscriptionField::AckDeadline])
            .await
            .unwrap();
        assert_eq!(updated, wanted, "what the mask does not name is left as it was");
        service
            .eventually("the update is seen", async || match get().await.unwrap() {
                found if found == wanted => Ok(()),
                found => Err(found),
            })
            .await;
    })
    .await;
}
