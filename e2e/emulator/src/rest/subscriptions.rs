//! Paths of subscriptions, but for their messages.

use super::{request::Reply, routes::Request, tables as t};
use crate::{pb, status::Result};

impl Request<'_> {
    pub(super) async fn subscriptions(&self, verb: &str, segments: &[&str], action: &str) -> Result<Reply> {
        let (api, caller, name) = (self.api, self.caller, self.name.clone());
        match (verb, segments.len(), action) {
            ("GET", 3, "") => {
                let (page_size, page_token) = self.page()?;
                let request = pb::ListSubscriptionsRequest {
                    project: self.parent(),
                    page_size,
                    page_token,
                };
                Ok(Reply::of(
                    &api.list_subscriptions(caller, request).await?,
                    &t::SUBSCRIPTIONS,
                ))
            }
            ("PUT", 4, "") => {
                let request = pb::Subscription {
                    name,
                    ..self.read(&t::SUBSCRIPTION)?
                };
                Ok(Reply::of(
                    &api.create_subscription(caller, request).await?,
                    &t::SUBSCRIPTION,
                ))
            }
            ("GET", 4, "") => {
                let request = pb::GetSubscriptionRequest { subscription: name };
                Ok(Reply::of(
                    &api.get_subscription(caller, request).await?,
                    &t::SUBSCRIPTION,
                ))
            }
            ("PATCH", 4, "") => {
                let mut request: pb::UpdateSubscriptionRequest = self.read_update(&t::UPDATE_SUBSCRIPTION)?;
                request.subscription.get_or_insert_default().name = name;
                Ok(Reply::of(
                    &api.update_subscription(caller, request).await?,
                    &t::SUBSCRIPTION,
                ))
            }
            ("DELETE", 4, "") => {
                let request = pb::DeleteSubscriptionRequest { subscription: name };
                api.delete_subscription(caller, request)
                    .await
                    .map(|()| Reply::empty())
            }
            ("POST", 4, ":detach") => {
                let request = pb::DetachSubscriptionRequest { subscription: name };
                api.detach_subscription(caller, request)
                    .await
                    .map(|_| Reply::empty())
            }
            ("POST", 4, ":modifyPushConfig") => {
                let request = pb::ModifyPushConfigRequest {
                    subscription: name,
                    ..self.read(&t::MODIFY_PUSH_CONFIG)?
                };
                api.modify_push_config(caller, request)
                    .await
                    .map(|()| Reply::empty())
            }
            ("POST", 4, ":seek") => {
                let request = pb::SeekRequest {
                    subscription: name,
                    ..self.read(&t::SEEK)?
                };
                api.seek(caller, request).await.map(|_| Reply::empty())
            }
            ("POST", 4, ":pull" | ":acknowledge" | ":modifyAckDeadline") => self.messages(action).await,
            _ => Err(self.unknown(verb, action)),
        }
    }
}
