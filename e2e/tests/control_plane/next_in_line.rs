//! Who was refused because another was first has its place as soon as that one goes.

use crds::ConditionType;
use e2e::{
    stage::Stage,
    tenants::{apply, delete, is_older_than_all_to_come, ready, tenant_is},
};
use serde_json::json;

/// Within the patience of tests, which is a tenth of the time after which a refused Tenant is looked at anyhow.
#[tokio::test]
async fn the_second_with_an_id_is_served_when_the_first_goes() {
    let stage = Stage::shared();
    let client = stage.client().await.unwrap();
    let spec = json!({"id": "one-id", "topics": "Listed", "subscriptions": []});
    apply(&client, "came-first", spec.clone()).await;
    is_older_than_all_to_come(&ready(&client, "came-first").await).await;
    apply(&client, "came-second", spec).await;
    tenant_is(
        &client,
        "came-second",
        ConditionType::Stalled,
        Some("DuplicateTenantId"),
    )
    .await;
    delete(&client, "came-first").await;
    ready(&client, "came-second").await;
}
