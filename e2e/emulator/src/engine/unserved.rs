//! What is stored and returned, but not done: said when it would be used, not before.

use crate::{
    pb,
    status::{Code, Result, Status},
};

fn unserved(what: &str) -> Status {
    Status::new(
        Code::Unimplemented,
        format!("The emulator stores {what}, but does not serve it."),
    )
}

fn transforms(transforms: &[pb::MessageTransform]) -> bool {
    transforms.iter().any(|transform| !transform.disabled)
}

/// Messages that a transform should have changed are not handed out unchanged.
pub(super) fn check_pull(subscription: &pb::Subscription) -> Result<()> {
    if subscription.bigquery_config.is_some() {
        Err(unserved("bigquery_config"))
    } else if subscription.cloud_storage_config.is_some() {
        Err(unserved("cloud_storage_config"))
    } else if subscription.bigtable_config.is_some() {
        Err(unserved("bigtable_config"))
    } else if transforms(&subscription.message_transforms) {
        Err(unserved("message_transforms"))
    } else {
        Ok(())
    }
}

pub(super) fn check_publish(topic: &pb::Topic) -> Result<()> {
    if transforms(&topic.message_transforms) {
        return Err(unserved("message_transforms"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transform(disabled: bool) -> Vec<pb::MessageTransform> {
        vec![pb::MessageTransform {
            disabled,
            ..pb::MessageTransform::default()
        }]
    }

    #[test]
    fn an_export_or_a_transform_is_named_when_it_would_be_used() {
        let base = pb::Subscription::default;
        assert!(check_pull(&base()).is_ok());
        let disabled = pb::Subscription {
            message_transforms: transform(true),
            ..base()
        };
        assert!(check_pull(&disabled).is_ok());
        for (subscription, what) in [
            (
                pb::Subscription {
                    bigquery_config: Some(pb::BigQueryConfig::default()),
                    ..base()
                },
                "bigquery_config",
            ),
            (
                pb::Subscription {
                    cloud_storage_config: Some(pb::CloudStorageConfig::default()),
                    ..base()
                },
                "cloud_storage_config",
            ),
            (
                pb::Subscription {
                    bigtable_config: Some(pb::BigtableConfig::default()),
                    ..base()
                },
                "bigtable_config",
            ),
            (
                pb::Subscription {
                    message_transforms: transform(false),
                    ..base()
                },
                "message_transforms",
            ),
        ] {
            let refusal = check_pull(&subscription).unwrap_err();
            assert_eq!(refusal.code, Code::Unimplemented);
            assert!(refusal.message.contains(what), "{}", refusal.message);
        }
        let topic = |disabled| pb::Topic {
            message_transforms: transform(disabled),
            ..pb::Topic::default()
        };
        assert!(check_publish(&topic(true)).is_ok());
        assert_eq!(
            check_publish(&topic(false)).unwrap_err().code,
            Code::Unimplemented
        );
    }
}
