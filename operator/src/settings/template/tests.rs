//! What a template may hold, and how two of them merge.

use super::*;

fn given(yaml: &str) -> WorkerTemplate {
    serde_yaml::from_str(yaml).unwrap()
}

fn parse(yaml: &str) -> Result<Template, String> {
    Template::parse(&given(yaml), "spec.worker.template").map_err(|wrong| wrong.to_string())
}

fn pod(template: &Template) -> serde_json::Value {
    serde_json::to_value(template.around(PodSpec::default())).unwrap()
}

#[test]
fn each_refusal_names_the_field_and_what_is_allowed() {
    for (yaml, expected) in [
        (
            "labels: {app.kubernetes.io/name: other}",
            "labels[app.kubernetes.io/name]: is the operator's",
        ),
        (
            "labels: {events.livingtwin.io/tenant: other}",
            "labels[events.livingtwin.io/tenant]: is the operator's",
        ),
        ("labels: {'a b': c}", "labels[a b]: must be NAME or DOMAIN/NAME"),
        ("labels: {a: 'b c'}", "labels[a]: must be at most 63 of"),
        (
            "annotations: {container.apparmor.security.beta.kubernetes.io/worker: unconfined}",
            "annotations[container.apparmor.security.beta.kubernetes.io/worker]: is the operator's or confines the pod",
        ),
        (
            "priorityClassName: system-node-critical",
            "priorityClassName: \"system-node-critical\" must not begin with system-",
        ),
        (
            "volumes: [{name: a}]",
            "volumes[0]: must have exactly one of secret, configMap, projected and emptyDir",
        ),
        (
            "volumes: [{name: a, emptyDir: {}, secret: {secretName: b}}]",
            "volumes[0]: must have exactly one of",
        ),
        (
            "volumes: [{name: subscriptions, emptyDir: {}}]",
            "volumes[0].name: \"subscriptions\" is the operator's",
        ),
        (
            "volumes: [{name: A, emptyDir: {}}]",
            "volumes[0].name: must be 1 to 63 of a-z 0-9 -",
        ),
        (
            "volumes: [{name: a, secret: {}}]",
            "volumes[0].secret.secretName: must name a Secret",
        ),
        (
            "volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}]",
            "volumes: \"a\" stands twice",
        ),
        (
            "volumes: [{name: a, projected: {sources: [{}]}}]",
            "volumes[0].projected.sources[0]: must have exactly one of secret and configMap",
        ),
        (
            "volumeMounts: [{name: a, mountPath: data}]",
            "volumeMounts[0].mountPath: \"data\" must be an absolute path",
        ),
        (
            "volumeMounts: [{name: a, mountPath: /a/../etc}]",
            "volumeMounts[0].mountPath: \"/a/../etc\" must be an absolute",
        ),
        (
            "volumeMounts: [{name: a, mountPath: /data/}]",
            "volumeMounts[0].mountPath: \"/data/\" must be an absolute",
        ),
        (
            "volumeMounts: [{name: a, mountPath: /etc}]",
            "volumeMounts[0].mountPath: \"/etc\" must be neither within nor above",
        ),
        (
            "volumeMounts: [{name: a, mountPath: /data, subPath: ../x}]",
            "volumeMounts[0].subPath: must be a path",
        ),
        (
            "envFrom: [{prefix: HANDLER_, secretRef: {name: a}}]",
            "envFrom[0].prefix: \"HANDLER_\" must be what no variable",
        ),
        (
            "envFrom: [{prefix: A_}]",
            "envFrom[0]: must have exactly one of secretRef and configMapRef",
        ),
        (
            "affinity: {nodeAfinity: {a: b}}",
            "affinity.nodeAfinity: there is no such field",
        ),
    ] {
        let error = parse(yaml).unwrap_err();
        assert!(
            error.starts_with("spec.worker.template.") && error.contains(expected),
            "{yaml:?} gave {error:?}"
        );
    }
}

#[test]
fn a_tenants_counts_over_the_default_and_nothing_is_mixed() {
    let default = parse(
        "{labels: {team: platform, tier: back}, nodeSelector: {pool: workers, zone: a}, tolerations: [{key: events}],
         imagePullSecrets: [{name: mirror}], priorityClassName: normal,
         volumes: [{name: ca, configMap: {name: authorities}}, {name: scratch, emptyDir: {}}],
         volumeMounts: [{name: ca, mountPath: /etc/ssl/certs, subPath: x}, {name: scratch, mountPath: /tmp}],
         topologySpreadConstraints: [{topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule, minDomains: 2}]}",
    )
    .unwrap();
    let own = parse(
        "{labels: {tier: front}, nodeSelector: {pool: gpu}, tolerations: [{key: gpu}], imagePullSecrets: [{name: own}],
         volumes: [{name: ca, secret: {secretName: own-ca}}], volumeMounts: [{name: ca, mountPath: /etc/ssl/certs}],
         topologySpreadConstraints: [{topologyKey: zone, maxSkew: 3, whenUnsatisfiable: ScheduleAnyway}]}",
    )
    .unwrap();
    let merged = own.over(&default);
    assert!(merged.check_mounts("x").is_ok());
    assert_eq!(merged.secrets(), ["own-ca".to_owned()].into());
    assert_eq!(
        merged.labels,
        [("team", "platform"), ("tier", "front")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    );
    insta::assert_yaml_snapshot!(pod(&merged));
}

#[test]
fn what_the_operator_says_of_a_pod_counts_even_so() {
    let mut theirs =
        parse("{volumes: [{name: a, emptyDir: {}}], volumeMounts: [{name: a, mountPath: /a}]}").unwrap();
    theirs.pod.host_network = Some(true);
    theirs.pod.service_account_name = Some("admin".into());
    let own = PodSpec {
        host_network: Some(false),
        service_account_name: Some("event-worker".into()),
        containers: vec![Container {
            name: CONTAINER.into(),
            image: Some("worker:1".into()),
            ..Container::default()
        }],
        ..PodSpec::default()
    };
    let pod = theirs.around(own.clone());
    assert_eq!(
        (pod.host_network, pod.service_account_name.as_deref()),
        (Some(false), Some("event-worker"))
    );
    assert_eq!(pod.containers.len(), 1);
    assert_eq!(pod.containers[0].image.as_deref(), Some("worker:1"));
    assert_eq!(
        Template::default().around(own.clone()),
        own,
        "nothing more is nothing else"
    );
}

#[test]
fn a_mount_of_a_volume_that_is_nowhere_is_refused() {
    let own = parse("volumeMounts: [{name: ca, mountPath: /ca}]").unwrap();
    let wrong = own
        .over(&Template::default())
        .check_mounts("spec.worker.template")
        .unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "spec.worker.template.volumeMounts: /ca mounts \"ca\", and volumes has []"
    );
}

#[test]
fn what_is_not_allowed_is_refused_by_its_path() {
    let worker = |yaml: &str| serde_yaml::from_str::<crds::WorkerSettings>(yaml).unwrap();
    let refused = |allowed: &Allowed, yaml: &str| {
        let wrong = allowed.check(&worker(yaml), "spec.worker").unwrap_err();
        wrong.to_string()
    };
    let default = Allowed::default();
    assert!(
        default
            .check(
                &worker("template: {labels: {a: b}, nodeSelector: {a: b}}"),
                "spec.worker"
            )
            .is_ok()
    );
    let words = refused(&default, "template: {runtimeClassName: gvisor}");
    assert!(
        words.starts_with(
            "spec.worker.template.runtimeClassName: the operator's configuration does not allow it"
        ) && words.contains("envFrom, imagePullSecrets, labels"),
        "{words}"
    );
    let none = Allowed::parse(&[], "worker.allow").unwrap();
    let from = "env: [{name: A, value: b}, {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}]";
    assert_eq!(
        refused(&none, from),
        "spec.worker.env[1].valueFrom: the operator's configuration does not allow it to Tenants; its worker.allow has nothing"
    );
    let one = Allowed::parse(&["runtimeClassName".to_owned()], "worker.allow").unwrap();
    assert!(
        one.check(&worker("template: {runtimeClassName: gvisor}"), "spec.worker")
            .is_ok()
    );
}
