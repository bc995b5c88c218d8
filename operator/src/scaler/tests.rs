//! KEDA's questions over a real socket, with an API server and a Cloud Monitoring of values.

use std::{collections::HashMap, convert::Infallible};

use async_trait::async_trait;
use http::{Request, Response};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::json;
use tonic::{Code, transport::Channel};
use tower::service_fn;

use super::{
    protocol::{GetMetricsRequest, ScaledObjectRef, external_scaler_client::ExternalScalerClient},
    *,
};
use crate::monitoring::{Monitoring, Oldest};

const EVERY: Duration = Duration::from_millis(20);

/// What Monitoring says; none: it is down.
#[derive(Default)]
struct Measurements(Mutex<Option<HashMap<String, u64>>>);

#[async_trait]
impl Monitoring for Measurements {
    async fn oldest_unacked(&self, _: &ProjectId) -> Result<HashMap<String, Oldest>, Unread> {
        Ok(HashMap::new())
    }

    async fn delivered(&self, _: &ProjectId, _: Duration) -> Result<HashMap<String, u64>, Unread> {
        Ok(HashMap::new())
    }

    async fn undelivered(&self, _: &ProjectId) -> Result<HashMap<String, u64>, Unread> {
        self.0.lock().clone().ok_or_else(|| Unread("it is down".into()))
    }
}

/// An API server with one Tenant, which answers lists and then is silent.
fn api_server(created: Timestamp) -> Client {
    let name = |id: &str| format!("projects/acme-events/subscriptions/{id}");
    let subscription = json!({
        "metadata": {"name": "events", "namespace": "acme-ns", "creationTimestamp": created.to_string()},
        "spec": {"tenantRef": {"name": "acme"}, "topic": "events"},
        "status": {
            "subscription": name("living-twin-events-acme-worker-2"), "deadLetterSubscription": name("living-twin-events-acme-dlq"),
            "draining": [{"subscription": name("living-twin-events-acme-worker")}],
        },
    });
    let tenant = json!({"metadata": {"name": "acme"}, "spec": {"namespace": "acme-ns"}});
    let service = service_fn(move |request: Request<Body>| {
        let (subscription, tenant) = (subscription.clone(), tenant.clone());
        async move {
            if request.uri().query().unwrap_or_default().contains("watch=true") {
                return std::future::pending().await;
            }
            let (kind, items) = match request.uri().path().ends_with("/tenants") {
                true => ("Tenant", vec![tenant]),
                false => ("EventSubscription", vec![subscription]),
            };
            let list = json!({
                "apiVersion": "events.livingtwin.io/v1alpha1", "kind": format!("{kind}List"),
                "metadata": {"resourceVersion": "1"}, "items": items,
            });
            Ok::<_, Infallible>(Response::new(Body::from(list.to_string().into_bytes())))
        }
    });
    Client::new(service, "default")
}

async fn keda(measurements: &Arc<Measurements>, created: Timestamp) -> ExternalScalerClient<Channel> {
    let monitoring: Arc<dyn Monitoring> = Arc::clone(measurements) as _;
    let scaler = Arc::new(Scaler::new(
        Arc::new(Backlogs::measuring(monitoring, EVERY)),
        &Settings::of_the_default_file(),
    ));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Arc::clone(&scaler).serve(api_server(created), listener));
    while scaler.tenants.pulled("acme", "acme-ns") == Err(NoAnswer::Starting) {
        tokio::time::sleep(EVERY).await;
    }
    ExternalScalerClient::connect(format!("http://{address}"))
        .await
        .unwrap()
}

fn about(tenant: &str, namespace: &str, target: &str) -> ScaledObjectRef {
    let metadata = json!({"tenant": tenant, "targetBacklog": target, "scalerAddress": "here:1"});
    ScaledObjectRef {
        name: "event-worker".into(),
        namespace: namespace.into(),
        scaler_metadata: serde_json::from_value::<HashMap<String, String>>(metadata).unwrap(),
    }
}

fn acme() -> ScaledObjectRef {
    about("acme", "acme-ns", "50")
}

async fn backlog(keda: &mut ExternalScalerClient<Channel>, about: ScaledObjectRef) -> Result<i64, Code> {
    let request = GetMetricsRequest {
        scaled_object_ref: Some(about),
        metric_name: "backlog".into(),
    };
    let answer = keda.get_metrics(request).await.map_err(|status| status.code())?;
    let values = answer.into_inner().metric_values;
    assert_eq!((values.len(), values[0].metric_name.as_str()), (1, "backlog"));
    assert!(
        (values[0].metric_value_float - f64::from(i32::try_from(values[0].metric_value).unwrap())).abs()
            < 0.1
    );
    Ok(values[0].metric_value)
}

async fn is_active(keda: &mut ExternalScalerClient<Channel>) -> bool {
    keda.is_active(acme()).await.unwrap().into_inner().result
}

fn measured(measurements: &Measurements, current: u64, old: u64) {
    let map = json!({"living-twin-events-acme-worker-2": current, "living-twin-events-acme-worker": old, "living-twin-events-acme-dlq": 1000, "other": 9});
    *measurements.0.lock() = Some(serde_json::from_value::<HashMap<String, u64>>(map).unwrap());
}

fn long_ago() -> Timestamp {
    Timestamp::from_second(1_700_000_000).unwrap()
}

#[tokio::test]
async fn a_backlog_is_what_the_worker_pulls_and_nothing_else() {
    let measurements = Arc::new(Measurements::default());
    measured(&measurements, 120, 3);
    let mut keda = keda(&measurements, long_ago()).await;
    assert_eq!(backlog(&mut keda, acme()).await, Ok(123));
    assert!(is_active(&mut keda).await);
    let spec = keda
        .get_metric_spec(acme())
        .await
        .unwrap()
        .into_inner()
        .metric_specs;
    assert_eq!((spec.len(), spec[0].target_size), (1, 50));

    let mut stream = keda.stream_is_active(acme()).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().unwrap().result);
    measured(&measurements, 0, 0);
    assert!(
        !stream.message().await.unwrap().unwrap().result,
        "it is told of the change"
    );
    assert_eq!(backlog(&mut keda, acme()).await, Ok(0));
    assert!(!is_active(&mut keda).await);
}

#[tokio::test]
async fn in_doubt_there_is_no_number_and_the_worker_stays() {
    let measurements = Arc::new(Measurements::default());
    let mut keda = keda(&measurements, Timestamp::now()).await;
    assert_eq!(backlog(&mut keda, acme()).await, Err(Code::Unavailable));
    assert!(is_active(&mut keda).await, "Monitoring is down");
    *measurements.0.lock() = Some(HashMap::new());
    tokio::time::sleep(EVERY).await;
    assert_eq!(
        backlog(&mut keda, acme()).await,
        Err(Code::Unavailable),
        "it is too new to be measured"
    );
    assert!(is_active(&mut keda).await);
}

#[tokio::test]
async fn only_its_own_tenants_are_known() {
    let measurements = Arc::new(Measurements::default());
    measured(&measurements, 1, 1);
    let mut keda = keda(&measurements, long_ago()).await;
    for (tenant, namespace) in [("nobody", "acme-ns"), ("acme", "elsewhere")] {
        let one = || about(tenant, namespace, "50");
        assert_eq!(backlog(&mut keda, one()).await, Err(Code::NotFound));
        assert_eq!(keda.is_active(one()).await.unwrap_err().code(), Code::NotFound);
        assert_eq!(
            keda.get_metric_spec(one()).await.unwrap_err().code(),
            Code::NotFound
        );
    }
    let wrong = keda.get_metric_spec(about("acme", "acme-ns", "many")).await;
    assert_eq!(wrong.unwrap_err().code(), Code::InvalidArgument);
    let silent = ScaledObjectRef {
        scaler_metadata: HashMap::new(),
        ..acme()
    };
    assert_eq!(backlog(&mut keda, silent).await, Err(Code::InvalidArgument));
}
