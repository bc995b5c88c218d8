//! What the API server itself accepts and refuses: the samples, good and bad.

use std::{fs, path::Path, time::Duration};

use e2e::{
    control_plane::{ADMIN, ControlPlane},
    eventually::eventually,
    stage::install_crds,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    discovery::ApiResource,
};
use serde_json::json;

async fn client_with_crds() -> Client {
    let client = ControlPlane::shared().client(ADMIN).await.unwrap();
    install_crds(&client).await.unwrap();
    client
}

async fn dry_run(client: &Client, text: &str) -> kube::Result<DynamicObject> {
    let object: DynamicObject = serde_yaml::from_str(text).unwrap();
    let kind = object.types.clone().unwrap().kind;
    let resource = match kind.as_str() {
        "Tenant" => ApiResource::erase::<crds::Tenant>(&()),
        "EventSubscription" => ApiResource::erase::<crds::EventSubscription>(&()),
        other => panic!("a sample of kind {other}"),
    };
    let api: Api<DynamicObject> = match object.namespace() {
        // Whether its namespace exists is not the question here.
        Some(_) => Api::namespaced_with(client.clone(), "default", &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let mut object = object;
    object.metadata.namespace = object.metadata.namespace.map(|_| "default".to_owned());
    let params = PostParams {
        dry_run: true,
        field_manager: None,
    };
    // The API server learns of a new kind a moment after it is established.
    eventually("the kind is served", Duration::from_secs(20), async || match api
        .create(&params, &object)
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => Err(status),
        other => Ok(other),
    })
    .await
}

fn samples(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../config/samples")
        .join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut samples: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect();
    samples.sort();
    assert!(!samples.is_empty());
    samples
}

#[tokio::test]
async fn every_good_sample_is_accepted() {
    let client = client_with_crds().await;
    for (file, text) in samples("") {
        if let Err(error) = dry_run(&client, &text).await {
            panic!("{file} was refused: {error}");
        }
    }
}

/// The first line of a bad sample says what the refusal must contain: the field, or the rule's words.
#[tokio::test]
async fn every_bad_sample_is_refused_and_the_field_is_named() {
    let client = client_with_crds().await;
    for (file, text) in samples("bad") {
        let expected = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# refused: "))
            .unwrap();
        match dry_run(&client, &text).await {
            Ok(_) => panic!("{file} was accepted"),
            Err(error) => {
                let message = error.to_string();
                assert!(
                    message.contains(expected),
                    "{file}: {expected:?} is not in {message:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_names_things_cannot_be_changed() {
    let client = client_with_crds().await;
    let api = Api::<crds::Tenant>::all(client);
    let spec: crds::TenantSpec = serde_yaml::from_str("{id: immutable-1, projectId: some-project}").unwrap();
    eventually("the kind is served", Duration::from_secs(20), async || match api
        .create(
            &PostParams::default(),
            &crds::Tenant::new("immutable", spec.clone()),
        )
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => Err(status),
        other => Ok(other.unwrap()),
    })
    .await;
    for (patch, expected) in [
        (r#"{"spec": {"id": "other"}}"#, "spec.id is immutable"),
        (
            r#"{"spec": {"namespace": "other"}}"#,
            "spec.namespace is immutable",
        ),
    ] {
        let patch: serde_json::Value = serde_json::from_str(patch).unwrap();
        let error = api
            .patch("immutable", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    // Another project is a move, which the operator makes when it is asked for (`places`).
    for patch in [
        json!({"spec": {"projectId": "other-project"}}),
        json!({"spec": {"projectId": null}}),
    ] {
        api.patch("immutable", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }
}
