//! What the configuration and a Tenant say of the worker's pod, and what comes of both; and whom it may reach.

use crds::{ConditionType, Tenant, condition};
use event_operator::{
    kubernetes::Kind,
    settings::Settings,
    tenant::{
        desired::fleet_version,
        handler::{Behind, Pods},
        status::{self, Parts},
        validate::{Valid, validate},
    },
};
use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus},
    apimachinery::pkg::util::intstr::IntOrString,
};
use serde_json::{Value, json};

use crate::{
    support::{now, settings, settings_with},
    tenant_stages::{children, desired, sample},
};

fn tenant(worker: &str) -> Tenant {
    let mut tenant = sample("tenant-456");
    tenant.spec.worker = Some(serde_yaml::from_str(worker).unwrap());
    tenant
}

fn valid(worker: &str, settings: &Settings) -> Valid {
    validate(&tenant(worker), &[], settings).unwrap()
}

fn deployment(valid: &Valid, settings: &Settings) -> Value {
    desired(valid, &[], settings).unwrap().deployment.body
}

fn pod(worker: &str, settings: &Settings) -> Value {
    deployment(&valid(worker, settings), settings)["spec"]["template"].clone()
}

fn policy(valid: &Valid, settings: &Settings) -> Value {
    let all = desired(valid, &[], settings).unwrap().ground;
    let found = all
        .iter()
        .find(|one| one.key.kind == Kind::NetworkPolicy)
        .unwrap();
    found.body["spec"].clone()
}

fn refused(worker: &str, settings: &Settings) -> String {
    let failure = validate(&tenant(worker), &[], settings).unwrap_err();
    failure.message
}

#[test]
fn an_empty_template_is_no_template() {
    let silent = pod("{}", &settings());
    assert_eq!(pod("template: {}", &settings()), silent);
    let explicit = settings_with("worker: {image: 'event-worker:dev', template: {}, env: [], user: fixed}");
    assert_eq!(
        fleet_version(&explicit).unwrap(),
        fleet_version(&settings()).unwrap(),
        "the keys at their defaults roll no worker"
    );
}

#[test]
fn a_default_for_all_rolls_the_fleet_and_a_tenants_own_its_worker() {
    let with = settings_with("worker: {image: 'event-worker:dev', template: {nodeSelector: {pool: events}}}");
    assert_ne!(fleet_version(&with).unwrap(), fleet_version(&settings()).unwrap());
    let (silent, own) = (valid("{}", &with), valid("template: {labels: {a: b}}", &with));
    assert_eq!(silent.worker_version, valid("{}", &settings()).worker_version);
    assert_ne!(own.worker_version, silent.worker_version);
    let pod = deployment(&own, &with)["spec"]["template"].clone();
    assert_eq!(pod["spec"]["nodeSelector"], json!({"pool": "events"}));
    assert_eq!(pod["metadata"]["labels"]["a"], "b");
    let source = own
        .effective
        .iter()
        .find(|one| one.name == "worker.template")
        .unwrap();
    assert_eq!(
        (source.value.as_str(), format!("{:?}", source.source)),
        ("nodeSelector,labels", "Spec".into())
    );
}

#[test]
fn the_operators_own_is_what_it_is_without_a_template() {
    let mut with = pod(
        "template: {volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /a}], labels: {a: b},
          envFrom: [{prefix: A_, configMapRef: {name: a}}], imagePullSecrets: [{name: r}], priorityClassName: high}",
        &settings_with("worker: {image: 'event-worker:dev', allow: [volumes, volumeMounts, labels, envFrom, imagePullSecrets, priorityClassName]}"),
    );
    let without = pod("{}", &settings());
    let spec = with["spec"].as_object_mut().unwrap();
    assert_eq!(spec.remove("imagePullSecrets"), Some(json!([{"name": "r"}])));
    assert_eq!(spec.remove("priorityClassName"), Some(json!("high")));
    assert_eq!(
        spec["volumes"].as_array_mut().unwrap().remove(0),
        json!({"name": "a", "emptyDir": {}})
    );
    let container = spec["containers"][0].as_object_mut().unwrap();
    assert_eq!(
        container.remove("envFrom"),
        Some(json!([{"prefix": "A_", "configMapRef": {"name": "a"}}]))
    );
    let mounts = container["volumeMounts"].as_array_mut().unwrap();
    assert_eq!(mounts.remove(0), json!({"name": "a", "mountPath": "/a"}));
    assert_eq!(
        with["metadata"]["labels"].as_object_mut().unwrap().remove("a"),
        Some(json!("b"))
    );
    assert_eq!(with, without);
}

#[test]
fn variables_of_a_tenant_count_over_those_for_all() {
    let settings = settings_with(
        "worker: {image: 'event-worker:1', env: [{name: SITE, value: a}, {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k}}}]}",
    );
    let env = pod(
        "env: [{name: SITE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]",
        &settings,
    );
    let env = env["spec"]["containers"][0]["env"].as_array().unwrap().clone();
    let of = |name: &str| env.iter().filter(|one| one["name"] == name).collect::<Vec<_>>();
    assert_eq!(
        of("SITE"),
        [&json!({"name": "SITE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}})]
    );
    assert_eq!(
        of("TOKEN")[0]["valueFrom"]["secretKeyRef"],
        json!({"name": "s", "key": "k"})
    );
}

#[test]
fn a_platform_that_assigns_users_is_left_to_it() {
    let settings = settings_with("worker: {image: 'event-worker:1', user: platform}");
    let security = pod("{}", &settings)["spec"]["securityContext"].clone();
    assert_eq!(
        security,
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
    );
}

#[test]
fn what_a_tenant_may_not_is_refused_before_anything_is_written() {
    let settings = settings();
    let words = refused("template: {priorityClassName: high}", &settings);
    assert!(
        words.starts_with("spec.worker.template.priorityClassName: "),
        "{words}"
    );
    let words = refused("env: [{name: TENANT_ID, value: other}]", &settings);
    assert!(
        words.starts_with("spec.worker.env[0].name: TENANT_ID is set by the operator"),
        "{words}"
    );
    let auth = "handler: {http: {url: 'http://handler/', auth: {token: {secretName: a}}}}";
    let words = refused(
        &format!("{{{auth}, env: [{{name: HANDLER_TOKEN_FILE, value: /x}}]}}"),
        &settings,
    );
    assert!(
        words.starts_with("spec.worker.env[0].name: HANDLER_TOKEN_FILE"),
        "{words}"
    );
    // Without that it may, for a file that its image has.
    let own = "{handler: {http: {url: 'http://handler/'}}, env: [{name: HANDLER_CA_FILE, value: /ca.crt}]}";
    assert!(validate(&tenant(own), &[], &settings).is_ok());
}

#[test]
fn a_handlers_secrets_are_mounted_key_by_key() {
    let template = pod(
        "handler: {http: {url: 'https://handler/', auth: {token: {secretName: access, key: bearer}, clientCertificate: {secretName: tls}}}}",
        &settings(),
    );
    let volumes = template["spec"]["volumes"].as_array().unwrap();
    assert_eq!(
        volumes.last().unwrap(),
        &json!({"name": "handler-auth", "projected": {"sources": [
            {"secret": {"name": "access", "items": [{"key": "bearer", "path": "token"}]}},
            {"secret": {"name": "tls", "items": [{"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}]}},
        ]}})
    );
    let env = template["spec"]["containers"][0]["env"].as_array().unwrap();
    let files = env
        .iter()
        .filter(|one| one["name"].as_str().unwrap().ends_with("_FILE"));
    let files: Vec<_> = files
        .map(|one| format!("{}={}", one["name"], one["value"]).replace('"', ""))
        .collect();
    assert_eq!(
        files,
        [
            "SUBSCRIPTIONS_FILE=/etc/event-worker/subscriptions.json",
            "HANDLER_TOKEN_FILE=/etc/event-worker-handler/token",
            "HANDLER_CERT_FILE=/etc/event-worker-handler/tls.crt",
            "HANDLER_KEY_FILE=/etc/event-worker-handler/tls.key",
        ]
    );
}

#[test]
fn the_secrets_that_pods_wait_for_are_named() {
    let settings = settings_with(
        "worker: {image: 'event-worker:1', idempotency: {url: 'redis://a', secretName: store},
          env: [{name: A, valueFrom: {secretKeyRef: {name: of-all, key: k}}}, {name: B, valueFrom: {secretKeyRef: {name: optional, key: k, optional: true}}}]}",
    );
    let tenant = tenant(
        "{handler: {http: {url: 'http://handler/', auth: {token: {secretName: access}}}},
          template: {volumes: [{name: v, secret: {secretName: mounted}}], envFrom: [{prefix: A_, secretRef: {name: whole}}]}}",
    );
    let valid = validate(&tenant, &[], &settings).unwrap();
    let first = desired(&valid, &[], &settings).unwrap();
    let waits = Deployment {
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            ..DeploymentSpec::default()
        }),
        status: Some(DeploymentStatus::default()),
        ..Deployment::default()
    };
    let parts = Parts {
        subscriptions: children(&first),
        worker: Some(waits),
        store: settings.worker.idempotency.clone(),
        ..Parts::default()
    };
    let said = status::status(&tenant, &status::Progress::Written(&valid, &parts, None), now());
    let ready = condition::find(&said.conditions, ConditionType::WorkerReady).unwrap();
    assert!(
        ready
            .message
            .contains("They begin only when there are Secrets \"access\", \"mounted\", \"of-all\", \"store\", \"whole\" in that namespace."),
        "{}",
        ready.message
    );
}

#[test]
fn the_policy_has_what_the_settings_say() {
    let settings = settings_with(
        "worker: {image: 'event-worker:1', env: [{name: OTEL_EXPORTER_OTLP_ENDPOINT, value: 'http://collector.monitoring:4317'}],
          networkPolicy: {metricsFrom: [{namespaceSelector: {matchLabels: {a: b}}}], extraEgress: [{ports: [{port: 3128}], to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}}",
    );
    let written = policy(&valid("{}", &settings), &settings);
    assert_eq!(
        written["ingress"],
        json!([{"from": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}], "ports": [{"port": 8080, "protocol": "TCP"}]}])
    );
    let egress = written["egress"].as_array().unwrap();
    assert_eq!(
        egress[1]["ports"],
        json!([{"port": 443, "protocol": "TCP"}, {"port": 4317, "protocol": "TCP"}])
    );
    assert_eq!(
        egress.last().unwrap(),
        &json!({"ports": [{"port": 3128}], "to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]})
    );
    // That of traces alone goes before the general one.
    let own = valid(
        "env: [{name: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, value: 'https://traces.example.com:4318'}]",
        &settings,
    );
    let ports = policy(&own, &settings)["egress"][1]["ports"].clone();
    assert_eq!(ports[1]["port"], 4318);
}

#[test]
fn a_handlers_pods_are_reached_and_its_address_is_not_open_to_all() {
    let settings = settings();
    let mut valid = valid("handler: {http: {url: 'http://handler/'}}", &settings);
    let egress = |valid: &Valid| policy(valid, &settings)["egress"].clone();
    let port = |port: Value| json!({"port": port, "protocol": "TCP"});
    assert_eq!(
        egress(&valid)[1]["ports"],
        json!([port(json!(80)), port(json!(443))])
    );
    valid.worker.behind = Behind::Pods(Pods {
        namespace: "shared".into(),
        selector: [("app".to_owned(), "handler".to_owned())].into(),
        port: IntOrString::Int(8080),
        addresses: vec!["10.0.0.9".into(), "fd00::9".into()],
    });
    let rules = egress(&valid);
    assert_eq!(rules[1]["ports"], json!([port(json!(443))]));
    assert_eq!(
        rules[2],
        json!({"ports": [port(json!(8080))], "to": [{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shared"}},
            "podSelector": {"matchLabels": {"app": "handler"}},
        }]})
    );
    assert_eq!(
        rules[3],
        json!({"ports": [port(json!(80))], "to": [{"ipBlock": {"cidr": "10.0.0.9/32"}}, {"ipBlock": {"cidr": "fd00::9/128"}}]})
    );
    valid.worker.behind = Behind::Port(IntOrString::String("web".into()));
    assert_eq!(
        egress(&valid)[1]["ports"],
        json!([port(json!(80)), port(json!(443)), port(json!("web"))])
    );
}

/// A Tenant of today has the worker that it had: what it asks for has the same hash, and its Deployment the same fields.
#[test]
fn a_tenant_without_a_template_has_the_deployment_it_had() {
    let body = deployment(
        &validate(&sample("tenant-456"), &[], &settings()).unwrap(),
        &settings(),
    );
    let pod = &body["spec"]["template"]["spec"];
    let fields: Vec<_> = pod.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        fields,
        [
            "automountServiceAccountToken",
            "containers",
            "enableServiceLinks",
            "securityContext",
            "serviceAccountName",
            "terminationGracePeriodSeconds",
            "volumes",
        ]
    );
}
