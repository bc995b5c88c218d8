//! IAM through the official client: etags, races, who may not be bound.

use crate::support::{Bench, PROJECT, subscription, topic};
use google_cloud_gax::error::rpc::Code;
use google_cloud_iam_v1::model::{Binding, Policy};
use pubsub_emulator::Fault;

fn binding(role: &str, member: &str) -> Binding {
    Binding::new().set_role(role).set_members([member])
}

impl Bench {
    async fn read(&self, resource: &str) -> Policy {
        self.policies
            .get_iam_policy()
            .set_resource(resource)
            .send()
            .await
            .expect("a policy")
    }

    async fn write(&self, resource: &str, policy: Policy) -> Result<Policy, Code> {
        let result = self
            .policies
            .set_iam_policy()
            .set_resource(resource)
            .set_policy(policy)
            .send()
            .await;
        result.map_err(|error| error.status().expect("a status").code)
    }
}

#[tokio::test]
async fn a_policy_is_read_changed_and_written() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    bench.create("sub", "events", |s| s).await;
    for resource in [topic("events"), subscription("sub")] {
        let fresh = bench.read(&resource).await;
        assert_eq!(
            (&fresh.etag[..], fresh.bindings.len()),
            (&[0x00, 0x20, 0x01][..], 0),
            "never set"
        );
        let policy = fresh
            .clone()
            .set_bindings([binding("roles/pubsub.publisher", "user:a@example.com")]);
        let written = bench.write(&resource, policy).await.unwrap();
        assert_ne!(written.etag, fresh.etag);
        assert_eq!(bench.read(&resource).await, written);
        let permissions = ["pubsub.topics.publish"];
        let tested = bench
            .policies
            .test_iam_permissions()
            .set_resource(&resource)
            .set_permissions(permissions);
        assert_eq!(tested.send().await.unwrap().permissions, permissions);
    }
    assert_eq!(
        bench.write(&topic("none"), Policy::new()).await,
        Err(Code::NotFound)
    );
}

#[tokio::test]
async fn the_loser_of_a_race_is_told() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    let (name, one) = (
        topic("events"),
        binding("roles/pubsub.publisher", "user:one@example.com"),
    );
    let mine = bench.read(&name).await;
    let theirs = bench.read(&name).await;
    bench
        .write(&name, theirs.set_bindings([one.clone()]))
        .await
        .unwrap();
    assert_eq!(
        bench.write(&name, mine.set_bindings([one.clone()])).await,
        Err(Code::Aborted)
    );
    let blind = Policy::new().set_bindings([binding("roles/pubsub.viewer", "user:two@example.com")]);
    assert_eq!(
        bench.write(&name, blind).await.unwrap().bindings.len(),
        1,
        "no etag overwrites"
    );
}

#[tokio::test]
async fn members_must_exist_and_be_well_formed() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    let name = topic("events");
    let with = |member: &str| {
        bench.write(
            &name,
            Policy::new().set_bindings([binding("roles/pubsub.publisher", member)]),
        )
    };
    let stranger = "serviceAccount:service-1@gcp-sa-pubsub.iam.gserviceaccount.com";
    assert_eq!(
        with(stranger).await,
        Err(Code::InvalidArgument),
        "the service agent of an unknown project"
    );
    assert_eq!(with("someone@example.com").await, Err(Code::InvalidArgument));
    let number = bench.emulator.project_number(PROJECT);
    let agent = bench.emulator.service_agent(PROJECT);
    assert!(agent.contains(&number.to_string()));
    assert!(with(&agent).await.is_ok());
    bench
        .emulator
        .change_settings(|settings| settings.check_service_agents = false);
    assert!(with(stranger).await.is_ok());
}

#[tokio::test]
async fn a_lost_reply_leaves_the_policy_written() {
    let bench = Bench::start().await;
    bench.create_topic("events").await;
    let name = topic("events");
    bench
        .emulator
        .add_fault(Fault::lose_reply("IAMPolicy.SetIamPolicy", 1));
    let policy = bench
        .read(&name)
        .await
        .set_bindings([binding("roles/pubsub.publisher", "allUsers")]);
    assert_eq!(bench.write(&name, policy).await, Err(Code::Unavailable));
    assert_eq!(bench.read(&name).await.bindings.len(), 1);
}

#[tokio::test]
async fn a_project_has_a_number_that_can_be_chosen() {
    let bench = Bench::start().await;
    bench.emulator.set_project_number(PROJECT, 4711);
    let url = format!("{}/v1/projects/{PROJECT}", bench.emulator.endpoint());
    let project: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(project["projectNumber"], "4711");
    assert_eq!(project["projectId"], PROJECT);
    let url = format!("{}/v3/projects/{PROJECT}", bench.emulator.endpoint());
    let project: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    assert_eq!(project["name"], "projects/4711");
}
