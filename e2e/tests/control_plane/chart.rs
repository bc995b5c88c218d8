//! A platform engineer installs the charts: what Helm makes of them asks for no more rights than the operator needs,
//! runs as nobody, and hands the operator the configuration that was written.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use event_operator::settings::ConfigFile;
use serde::Deserialize as _;
use serde_json::Value;

/// The default images have no registry, which is right where nodes have them already.
const LOCAL_IMAGES: &str = "--set=localImages=true";

const PROJECT: [&str; 2] = ["--set", "config.projectId=demo-project"];

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The helm of the bundled cluster, or the one that HELM names.
fn helm(args: &[&str]) -> Output {
    let built = root().join(".cache/cluster/bin/helm");
    let program = std::env::var_os("HELM").map_or(built, PathBuf::from);
    assert!(
        program.is_file(),
        "helm is missing at {}; build it with: e2e/cluster/cluster build",
        program.display()
    );
    Command::new(program)
        .args(args)
        .current_dir(root())
        .output()
        .unwrap()
}

/// What Helm renders with these values, object by object.
pub(super) fn rendered(values: &[&str]) -> Vec<Value> {
    let mut args = vec![
        "template",
        "event-operator",
        "charts/event-operator",
        "--namespace=event-operator",
        "--kube-version=1.35.0",
        LOCAL_IMAGES,
    ];
    args.extend(PROJECT);
    args.extend(values);
    let output = helm(&args);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    documents(&String::from_utf8(output.stdout).unwrap())
}

fn refusal(values: &[&str]) -> String {
    let mut args = vec!["template", "x", "charts/event-operator", "--kube-version=1.35.0"];
    args.extend(values);
    let output = helm(&args);
    assert!(!output.status.success(), "{values:?} is taken");
    String::from_utf8(output.stderr).unwrap()
}

fn documents(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|one| Value::deserialize(one).unwrap())
        .filter(|one| !one.is_null())
        .collect()
}

fn the<'a>(kind: &str, objects: &'a [Value]) -> &'a Value {
    objects
        .iter()
        .find(|one| one["kind"] == kind)
        .unwrap_or_else(|| panic!("the chart makes no {kind}"))
}

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

/// The configuration as the operator finds it in its pod.
fn mounted_config(objects: &[Value]) -> String {
    let data = &the("ConfigMap", objects)["data"]["config.yaml"];
    data.as_str().unwrap().to_owned()
}

pub(super) fn words(rule: &Value, field: &str) -> Vec<String> {
    serde_json::from_value(rule[field].clone()).unwrap()
}

#[test]
fn helm_finds_no_fault() {
    let crds = helm(&["lint", "--strict", "charts/event-operator-crds"]);
    let operator = helm(&[
        "lint",
        "--strict",
        "charts/event-operator",
        LOCAL_IMAGES,
        PROJECT[0],
        PROJECT[1],
    ]);
    for output in [crds, operator] {
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

#[test]
fn the_operator_asks_for_no_right_it_could_grow_with() {
    let objects = rendered(&[]);
    let roles = objects
        .iter()
        .filter(|one| one["kind"] == "ClusterRole" || one["kind"] == "Role");
    for rule in roles.flat_map(|one| one["rules"].as_array().unwrap()) {
        for field in ["apiGroups", "resources", "verbs"] {
            let words = words(rule, field);
            assert!(
                !words.iter().any(|word| word.contains('*')),
                "a wildcard in {rule}"
            );
        }
        let resources = words(rule, "resources");
        assert!(
            !resources.iter().any(|one| one.starts_with("secrets")),
            "Secrets in {rule}"
        );
        let groups = words(rule, "apiGroups");
        assert!(
            !groups.iter().any(|one| one == "rbac.authorization.k8s.io"),
            "rights over rights in {rule}"
        );
        for verb in ["escalate", "bind", "impersonate", "deletecollection"] {
            assert!(
                !words(rule, "verbs").iter().any(|one| one == verb),
                "{verb} in {rule}"
            );
        }
        // `pods/exec`, `serviceaccounts/token` and the like would be ways around the rest.
        for resource in resources.iter().filter(|one| one.contains('/')) {
            assert!(
                resource.ends_with("/status") || resource.ends_with("/finalizers"),
                "{resource} in {rule}"
            );
        }
    }
    assert!(!objects.iter().any(|one| one["kind"] == "Secret"));
}

/// A look inside a namespace needs a right to everything in it: nobody has it who did not ask for it.
#[test]
fn the_right_to_remove_namespaces_comes_with_the_setting_and_alone() {
    let rules = |values: &[&str]| {
        let objects = rendered(values);
        the("ClusterRole", &objects)["rules"].as_array().unwrap().clone()
    };
    let (default, asked) = (rules(&[]), rules(&["--set", "config.deleteNamespaces=true"]));
    let more: Vec<_> = asked.iter().filter(|rule| !default.contains(rule)).collect();
    assert_eq!(
        more,
        [
            &serde_json::json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["delete"]}),
            &serde_json::json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["list"]}),
        ]
    );
    assert_eq!(asked.len(), default.len() + 2);
}

#[test]
fn every_right_says_why() {
    let text = ["clusterrole", "role"].map(|name| {
        fs::read_to_string(root().join(format!("charts/event-operator/templates/{name}.yaml"))).unwrap()
    });
    let text = text.concat();
    let lines: Vec<_> = text.lines().collect();
    let rules = lines
        .windows(2)
        .filter(|pair| pair[1].starts_with("- apiGroups:"));
    let mut count = 0;
    for pair in rules {
        assert!(
            pair[0].starts_with("# "),
            "no comment above {:?} {:?}",
            pair[0],
            pair[1]
        );
        count += 1;
    }
    assert!(count > 5);
}

#[test]
fn the_pod_meets_the_restricted_standard() {
    let objects = rendered(&[]);
    let deployment = &the("Deployment", &objects)["spec"];
    let pod = &deployment["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(pod[host].is_null());
    }
    let containers = pod["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    let container = &containers[0];
    let security = &container["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["capabilities"]["drop"], serde_json::json!(["ALL"]));
    assert!(container["resources"]["limits"]["memory"].is_string());
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
        assert_eq!(container[probe]["httpGet"]["port"], "http");
    }
}

#[test]
fn replicas_elect_a_leader_and_a_drain_leaves_one() {
    let objects = rendered(&[]);
    let deployment = &the("Deployment", &objects)["spec"];
    assert_eq!(deployment["replicas"], 2);
    let container = &deployment["template"]["spec"]["containers"][0];
    let args: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    let lease = args.iter().skip_while(|one| *one != "--lease").nth(1).unwrap();
    let rules = the("Role", &objects)["rules"].as_array().unwrap();
    let renews = rules
        .iter()
        .find(|rule| words(rule, "verbs").contains(&"update".to_owned()));
    assert_eq!(
        words(renews.unwrap(), "resourceNames"),
        std::slice::from_ref(lease)
    );
    let budget = &the("PodDisruptionBudget", &objects)["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    assert_eq!(budget["selector"], deployment["selector"]);
    let alone = rendered(&["--set=replicas=1"]);
    assert!(
        !alone.iter().any(|one| one["kind"] == "PodDisruptionBudget"),
        "with one replica it would only say what is so anyway"
    );
}

#[test]
fn the_operator_finds_the_configuration_that_was_written() {
    let values = [
        "--set=config.endpoint=emulator.demo.svc:8085",
        "--set=config.projectNumber=123456789012",
        "--set=config.catalogue.user-events=null",
    ];
    let config = mounted_config(&rendered(&values));
    let mut written = yaml("charts/event-operator/values.yaml")["config"].take();
    written["projectId"] = "demo-project".into();
    written["endpoint"] = "emulator.demo.svc:8085".into();
    written["projectNumber"] = 123_456_789_012_u64.into();
    written["catalogue"]
        .as_object_mut()
        .unwrap()
        .remove("user-events");
    assert_eq!(serde_yaml::from_str::<Value>(&config).unwrap(), written);

    let settings = ConfigFile::parse(&config).unwrap().into_settings("uid").unwrap();
    assert_eq!(settings.project_number, Some(123_456_789_012));
    assert_eq!(settings.catalogue.keys().count(), 4);
}

/// Two files with the same defaults, for those who read the one or the other.
#[test]
fn the_charts_defaults_are_those_of_the_default_configuration() {
    let chart = yaml("charts/event-operator/values.yaml")["config"].take();
    assert_eq!(chart, yaml("config/operator.yaml"));
}

#[test]
fn another_configuration_is_another_pod() {
    let checksum = |values: &[&str]| {
        let objects = rendered(values);
        let metadata = &the("Deployment", &objects)["spec"]["template"]["metadata"];
        metadata["annotations"]["checksum/config"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(checksum(&[]), checksum(&["--set=logLevel=debug"]));
    assert_ne!(checksum(&[]), checksum(&["--set=config.resync=30s"]));
}

#[test]
fn the_emulator_can_be_reached_and_nothing_else_is_opened_for_it() {
    let ports = |values: &[&str]| -> Vec<Value> {
        let objects = rendered(values);
        let egress = the("NetworkPolicy", &objects)["spec"]["egress"].clone();
        let rules = egress.as_array().unwrap().clone();
        let open = rules.iter().filter(|rule| rule["to"].is_null());
        open.flat_map(|rule| rule["ports"].as_array().unwrap().clone())
            .map(|port| port["port"].clone())
            .collect()
    };
    assert_eq!(ports(&[]), [53, 53, 443, 6443]);
    assert_eq!(
        ports(&["--set=config.endpoint=http://emulator:8085"]),
        [53, 53, 443, 6443, 8085]
    );
}

#[test]
fn keda_reaches_every_replica_and_nobody_else_asks() {
    let objects = rendered(&[]);
    let container = &the("Deployment", &objects)["spec"]["template"]["spec"]["containers"][0];
    let args: Vec<String> = serde_json::from_value(container["args"].clone()).unwrap();
    let address = args
        .iter()
        .skip_while(|one| *one != "--scaler-address")
        .nth(1)
        .unwrap();
    let service = the("Service", &objects);
    let port = service["spec"]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "scaler")
        .unwrap();
    assert_eq!(
        *address,
        format!(
            "{}.{}.svc:{}",
            service["metadata"]["name"].as_str().unwrap(),
            service["metadata"]["namespace"].as_str().unwrap(),
            port["port"]
        )
    );
    let ingress = the("NetworkPolicy", &objects)["spec"]["ingress"].clone();
    let scaler = &ingress[1];
    assert_eq!(scaler["ports"][0]["port"], "scaler");
    assert_eq!(
        scaler["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"],
        "keda"
    );
    let rules = the("ClusterRole", &objects)["rules"].as_array().unwrap();
    let keda: Vec<_> = rules
        .iter()
        .filter(|rule| words(rule, "apiGroups") == ["keda.sh"])
        .collect();
    assert_eq!(keda.len(), 1);
    assert_eq!(words(keda[0], "resources"), ["scaledobjects"]);
}

const FEDERATION: [&str; 4] = [
    "--set=config.identity.mode=federation",
    "--set=config.identity.pool=tenants",
    "--set=config.identity.provider=prod-eu",
    "--set=config.identity.poolProjectNumber=123456789012",
];

/// The chart writes for the operator what the operator writes for its workers.
#[test]
fn elsewhere_than_on_gke_the_operator_has_a_token_of_its_own() {
    let values = [
        FEDERATION.as_slice(),
        &["--set=config.identity.tokenUrl=https://sts.example.com:8443/token"],
    ]
    .concat();
    let objects = rendered(&values);
    let settings = ConfigFile::parse(&mounted_config(&objects))
        .unwrap()
        .into_settings("uid")
        .unwrap();
    let federation = settings.identity.federation.unwrap();
    let pod = &the("Deployment", &objects)["spec"]["template"]["spec"];
    let token = &pod["volumes"][1]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!(token["audience"], federation.audience);
    let mount = &pod["containers"][0]["volumeMounts"][1];
    assert_eq!(mount["readOnly"], true);
    let path = format!(
        "{}/{}",
        mount["mountPath"].as_str().unwrap(),
        token["path"].as_str().unwrap()
    );
    let file = &the("ConfigMap", &objects)["data"]["credentials.json"];
    let file: Value = serde_json::from_str(file.as_str().unwrap()).unwrap();
    assert_eq!(file, federation.credentials(&path));
    let env = pod["containers"][0]["env"].as_array().unwrap();
    assert!(
        env.iter()
            .any(|one| one["name"] == "GOOGLE_APPLICATION_CREDENTIALS"
                && one["value"] == "/etc/event-operator/credentials.json")
    );
    let policy = the("NetworkPolicy", &objects).to_string();
    assert!(policy.contains("8443") && !policy.contains("169.254.169.254"));
    let on_gke = rendered(&[]);
    assert!(
        !the("Deployment", &on_gke)
            .to_string()
            .contains("GOOGLE_APPLICATION_CREDENTIALS")
    );
}

#[test]
fn a_federation_says_whose() {
    let project = PROJECT[1];
    let mode = "config.identity.mode=federation";
    assert!(refusal(&["--set", project, "--set", mode]).contains("pool"));
    let mut values = vec!["--set", project];
    values.extend(&FEDERATION[..3]);
    assert!(refusal(&values).contains("config.identity.poolProjectNumber is not set"));
}

#[test]
fn what_needs_foreign_kinds_is_made_on_request() {
    let kinds = |values: &[&str]| -> Vec<Value> {
        let objects = rendered(values);
        objects.iter().map(|one| one["kind"].clone()).collect()
    };
    assert!(!kinds(&[]).contains(&"PodMonitor".into()));
    assert!(kinds(&["--set=podMonitor.enabled=true"]).contains(&"PodMonitor".into()));
    assert!(!kinds(&["--set=networkPolicy.enabled=false"]).contains(&"NetworkPolicy".into()));
}

#[test]
fn wrong_values_are_named() {
    let project = PROJECT[1];
    for (value, expected) in [
        ("replicas=-1", "/replicas"),
        ("config.topicPrefx=x", "topicPrefx"),
        ("config.worker.timeout=1d", "/config/worker/timeout"),
        ("config.subscription.maxDeliveryAttempts=3", "maxDeliveryAttempts"),
        ("config.worker.limits.cpu=true", "/config/worker/limits/cpu"),
        ("networkpolicy.enabled=false", "networkpolicy"),
    ] {
        let text = refusal(&["--set", project, "--set", value]);
        assert!(text.contains(expected), "{value} gave {text}");
    }
    assert!(refusal(&[]).contains("config.projectId is not set"));
}

/// The chart's CRDs are kept on uninstall; that is the only difference.
#[test]
fn the_charts_crds_are_the_generated_ones() {
    for file in ["tenants.yaml", "eventsubscriptions.yaml"] {
        let mut copy = yaml(&format!("charts/event-operator-crds/templates/{file}"));
        let annotations = copy["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("annotations")
            .unwrap();
        assert_eq!(
            annotations,
            serde_json::json!({"helm.sh/resource-policy": "keep"})
        );
        assert!(
            copy == yaml(&format!("crds/{file}")),
            "the chart's copy of {file} is old; run `make crds` and commit the result"
        );
    }
    let output = helm(&[
        "template",
        "crds",
        "charts/event-operator-crds",
        "--kube-version=1.35.0",
    ]);
    let objects = documents(&String::from_utf8(output.stdout).unwrap());
    assert_eq!(objects.len(), 2);
}
