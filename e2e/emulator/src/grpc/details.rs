//! Our status as gRPC carries it, with `google.rpc` details.

use crate::status::{Detail, Status};
use prost::Message;
use std::collections::HashMap;

/// `google.rpc.Status`
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// `google.rpc.ErrorInfo`
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(map = "string, string", tag = "3")]
    metadata: HashMap<String, String>,
}

/// `google.rpc.QuotaFailure`
#[derive(Clone, PartialEq, Message)]
struct QuotaFailure {
    #[prost(message, repeated, tag = "1")]
    violations: Vec<Violation>,
}

#[derive(Clone, PartialEq, Message)]
struct Violation {
    #[prost(string, tag = "1")]
    subject: String,
    #[prost(string, tag = "2")]
    description: String,
}

pub(super) fn to_tonic(status: Status) -> tonic::Status {
    let code = tonic::Code::from(status.code as i32);
    if status.details.is_empty() {
        return tonic::Status::new(code, status.message);
    }
    let rpc = RpcStatus {
        code: status.code as i32,
        message: status.message.clone(),
        details: status.details.into_iter().map(any).collect(),
    };
    tonic::Status::with_details(code, status.message, rpc.encode_to_vec().into())
}

fn any(detail: Detail) -> prost_types::Any {
    let (name, value) = match detail {
        Detail::ErrorInfo {
            reason,
            domain,
            metadata,
        } => (
            "ErrorInfo",
            ErrorInfo {
                reason,
                domain,
                metadata: metadata.into_iter().collect(),
            }
            .encode_to_vec(),
        ),
        Detail::QuotaFailure { subject, description } => (
            "QuotaFailure",
            QuotaFailure {
                violations: vec![Violation { subject, description }],
            }
            .encode_to_vec(),
        ),
    };
    prost_types::Any {
        type_url: format!("type.googleapis.com/google.rpc.{name}"),
        value,
    }
}
