//! What a Tenant says of its worker's pod, on the API server that judges it: what comes to the pod, what is refused in which words,
//! and what the NetworkPolicy opens for a handler behind a Service.

use std::{fs, path::Path};

use crds::{ConditionType, Tenant};
use e2e::{
    eventually::eventually,
    stage::Stage,
    tenants::{PATIENCE, apply, condition_of, delete, ready},
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};

fn sample() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/samples/tenant-worker-pod.yaml");
    let tenant: Value = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    tenant["spec"].clone()
}

fn worker(settings: &Value) -> Value {
    json!({"subscriptions": [{"topic": "user-events"}], "deletionPolicy": "Delete", "worker": settings})
}

async fn deployment(client: &Client, namespace: &str) -> Value {
    let api = Api::<Deployment>::namespaced(client.clone(), namespace);
    serde_json::to_value(api.get("event-worker").await.unwrap()).unwrap()
}

fn names(list: &Value, key: &str) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.map(|one| one[key].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_a_template_says_comes_to_the_pods_and_the_cluster_takes_them() {
    let client = Stage::shared().client().await.unwrap();
    let name = "tenant-321";
    apply(&client, name, sample()).await;
    // Its pods are made under the restricted Pod Security Standard.
    ready(&client, name).await;
    let pods = Api::<Pod>::namespaced(client.clone(), name);
    let pods = pods.list(&ListParams::default()).await.unwrap().items;
    let pod = serde_json::to_value(pods.first().unwrap()).unwrap();
    assert_eq!(pod["metadata"]["labels"]["cost-centre"], "tenant-321");
    assert_eq!(
        pod["metadata"]["labels"]["app.kubernetes.io/name"],
        "event-worker"
    );
    let (spec, container) = (&pod["spec"], &pod["spec"]["containers"][0]);
    assert_eq!(spec["nodeSelector"], json!({"pool": "events"}));
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "registry"}]));
    assert_eq!(spec["serviceAccountName"], "event-worker");
    assert_eq!(spec["automountServiceAccountToken"], false);
    assert_eq!(
        spec["topologySpreadConstraints"][0]["labelSelector"],
        json!({"matchLabels": {"app.kubernetes.io/name": "event-worker"}})
    );
    assert_eq!(
        names(&spec["volumes"], "name"),
        ["scratch", "authorities", "subscriptions", "handler-auth"]
    );
    assert_eq!(
        names(&container["volumeMounts"], "mountPath"),
        [
            "/tmp",
            "/etc/ssl/certs",
            "/etc/event-worker",
            "/etc/event-worker-handler"
        ]
    );
    assert_eq!(
        container["envFrom"],
        json!([{"prefix": "APP_", "secretRef": {"name": "app", "optional": true}}])
    );
    let variables = container["env"].as_array().unwrap();
    let variable = |name: &str| variables.iter().find(|one| one["name"] == name).unwrap();
    assert_eq!(
        variable("HANDLER_TOKEN_FILE")["value"],
        "/etc/event-worker-handler/token"
    );
    assert_eq!(
        variable("HANDLER_KEY_FILE")["value"],
        "/etc/event-worker-handler/tls.key"
    );
    assert_eq!(
        variable("REGION")["valueFrom"]["configMapKeyRef"],
        json!({"name": "site", "key": "region"})
    );
    let projected = &spec["volumes"][3]["projected"]["sources"];
    let secrets: Vec<_> = projected
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["secret"]["name"])
        .collect();
    assert_eq!(
        secrets,
        ["handler-access", "handler-authority", "event-worker-tls"]
    );
    // A field that is no longer said is taken back.
    let mut less = sample();
    less["worker"].as_object_mut().unwrap().remove("template");
    less["deletionPolicy"] = json!("Delete");
    apply(&client, name, less).await;
    eventually("the template is gone from the Deployment", PATIENCE, async || {
        let pod = deployment(&client, name).await["spec"]["template"].clone();
        let is_gone =
            pod["spec"]["nodeSelector"].is_null() && names(&pod["spec"]["volumes"], "name").len() == 2;
        if is_gone { Ok(()) } else { Err(pod) }
    })
    .await;
    delete(&client, name).await;
}

#[tokio::test]
async fn what_is_refused_is_named_and_the_worker_stays_as_it_is() {
    let client = Stage::shared().client().await.unwrap();
    let name = "refused-template";
    apply(&client, name, worker(&json!({}))).await;
    ready(&client, name).await;
    let before = deployment(&client, name).await["spec"].clone();
    let affinity = |kind: &str| {
        let expression = json!({"matchExpressions": [{"key": "a", "operator": kind}]});
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [expression]}}})
    };
    for (template, reason, words) in [
        (
            json!({"runtimeClassName": "sandbox"}),
            "InvalidSpec",
            "spec.worker.template.runtimeClassName: the operator's configuration does not allow it to Tenants; its worker.allow has ",
        ),
        (
            json!({"volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}]}),
            "InvalidSpec",
            "spec.worker.template.volumeMounts: /tmp mounts \"scratch\"",
        ),
        (
            json!({"affinity": {"nodeAfinity": {"a": "b"}}}),
            "InvalidSpec",
            "spec.worker.template.affinity.nodeAfinity: there is no such field",
        ),
        (
            json!({"labels": {"a b": "c"}}),
            "InvalidSpec",
            "spec.worker.template.labels[a b]: must be NAME",
        ),
        // Only the API server knows all values that an affinity may have.
        (
            json!({"affinity": affinity("Inn")}),
            "Rejected",
            "matchExpressions[0].operator",
        ),
    ] {
        apply(&client, name, worker(&json!({"template": template}))).await;
        let so = format!("says {words:?}");
        let condition = condition_of(&client, name, ConditionType::Ready, &so, |one| {
            one.status == "False" && one.message.contains(words)
        });
        assert_eq!(condition.await.reason, reason, "{template}");
    }
    assert_eq!(deployment(&client, name).await["spec"], before);
    apply(
        &client,
        name,
        worker(&json!({"template": {"affinity": affinity("Exists")}})),
    )
    .await;
    ready(&client, name).await;
    delete(&client, name).await;
}

/// The egress rules of a tenant's NetworkPolicy, once they are as wanted.
async fn egress(client: &Client, namespace: &str, so: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
    let api = Api::<NetworkPolicy>::namespaced(client.clone(), namespace);
    eventually(so, PATIENCE, async || {
        let policy = api.get_opt("event-worker").await.unwrap();
        let rules = serde_json::to_value(policy).unwrap()["spec"]["egress"].clone();
        if is_wanted(&rules) { Ok(rules) } else { Err(rules) }
    })
    .await
}

/// The rule that opens this port, if one does.
fn opens(rules: &Value, port: &Value) -> Option<Value> {
    let rule = rules.as_array().into_iter().flatten().find(|rule| {
        let ports = rule["ports"].as_array().into_iter().flatten();
        ports.into_iter().any(|one| &one["port"] == port)
    });
    rule.cloned()
}

async fn serve(client: &Client, namespace: &str, target: Value) {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "handler"},
        "spec": {"selector": {"app": "handler"}, "ports": [{"port": 80, "targetPort": target}]},
    });
    let api = Api::<Service>::namespaced(client.clone(), namespace);
    let by_hand = PatchParams::apply("somebody").force();
    api.patch("handler", &by_hand, &Patch::Apply(service))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_handler_behind_port_80_of_a_service_is_reached_on_its_pods_port() {
    let client = Stage::shared().client().await.unwrap();
    let name = "behind-a-service";
    let to = |more: Value| {
        let mut http = json!({"url": "http://handler/events"});
        http.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        worker(&json!({"handler": {"http": http}}))
    };
    apply(&client, name, to(json!({}))).await;
    // There is no Service yet: what the address says is open, to everywhere.
    let rules = egress(&client, name, "port 80 is open", |rules| {
        opens(rules, &json!(80)).is_some()
    })
    .await;
    assert!(opens(&rules, &json!(80)).unwrap()["to"].is_null(), "{rules}");
    ready(&client, name).await;

    serve(&client, name, json!(8181)).await;
    let rules = egress(&client, name, "port 8181 is open", |rules| {
        opens(rules, &json!(8181)).is_some()
    })
    .await;
    assert_eq!(
        opens(&rules, &json!(8181)).unwrap()["to"],
        json!([{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
            "podSelector": {"matchLabels": {"app": "handler"}},
        }])
    );
    let service = opens(&rules, &json!(80)).unwrap()["to"].clone();
    let block = service[0]["ipBlock"]["cidr"].as_str().unwrap_or_default();
    assert!(
        block.ends_with("/32") || block.ends_with("/128"),
        "port 80 is open to {service}"
    );

    serve(&client, name, json!("web")).await;
    egress(&client, name, "the port called web is open", |rules| {
        opens(rules, &json!("web")).is_some() && opens(rules, &json!(8181)).is_none()
    })
    .await;

    apply(&client, name, to(json!({"podPort": 9000}))).await;
    egress(&client, name, "the port that the Tenant says is open", |rules| {
        opens(rules, &json!(9000)).is_some_and(|rule| rule["to"].is_null())
            && opens(rules, &json!("web")).is_none()
    })
    .await;
    delete(&client, name).await;
}

#[tokio::test]
async fn an_ipv6_address_and_a_collector_of_traces_are_open() {
    let client = Stage::shared().client().await.unwrap();
    let name = "other-addresses";
    let settings = json!({
        "handler": {"http": {"url": "http://[fd00::7]:9090/"}},
        "env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://[fd00::8]:4317"}],
    });
    apply(&client, name, worker(&settings)).await;
    egress(&client, name, "both ports are open", |rules| {
        opens(rules, &json!(9090)).is_some() && opens(rules, &json!(4317)).is_some()
    })
    .await;
    delete(&client, name).await;
}

/// `kubectl explain` is where people look first, and it shows what the API server serves.
#[tokio::test]
async fn a_field_that_is_no_part_of_a_template_is_refused_where_a_client_asks_for_that() {
    let client = Stage::shared().client().await.unwrap();
    let tenant = json!({
        "apiVersion": "events.livingtwin.io/v1alpha1", "kind": "Tenant", "metadata": {"name": "strict"},
        "spec": worker(&json!({"template": {"hostNetwork": true}})),
    });
    let strict = PatchParams {
        dry_run: true,
        ..PatchParams::apply("kubectl").validation_strict()
    };
    let api = Api::<Tenant>::all(client.clone());
    let error = api
        .patch("strict", &strict, &Patch::Apply(tenant))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("hostNetwork"), "{error}");
}
