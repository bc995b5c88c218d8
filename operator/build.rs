//! The gRPC service of KEDA's external scalers, over messages that `src/scaler/protocol.rs` has: no protoc, no proto files.

use tonic_build::manual::{Builder, Method, Service};

const MESSAGES: &str = "crate::scaler::protocol";

fn method(name: &str, route: &str, input: &str, output: &str) -> tonic_build::manual::MethodBuilder {
    Method::builder()
        .name(name)
        .route_name(route)
        .input_type(format!("{MESSAGES}::{input}"))
        .output_type(format!("{MESSAGES}::{output}"))
        .codec_path("tonic_prost::ProstCodec")
}

fn main() {
    let active = |name, route| method(name, route, "ScaledObjectRef", "IsActiveResponse");
    let service = Service::builder()
        .name("ExternalScaler")
        .package("externalscaler")
        .method(active("is_active", "IsActive").build())
        .method(
            active("stream_is_active", "StreamIsActive")
                .server_streaming()
                .build(),
        )
        .method(
            method(
                "get_metric_spec",
                "GetMetricSpec",
                "ScaledObjectRef",
                "GetMetricSpecResponse",
            )
            .build(),
        )
        .method(
            method(
                "get_metrics",
                "GetMetrics",
                "GetMetricsRequest",
                "GetMetricsResponse",
            )
            .build(),
        )
        .build();
    Builder::new().compile(&[service]);
}
