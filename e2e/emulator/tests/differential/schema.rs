//! JSON to requests and replies to JSON, by Google's own descriptors: the emulator's tables and types
//! have no part in it.

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;

pub(crate) struct Schema(DescriptorPool);

impl Schema {
    pub(crate) fn read(path: &std::path::Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        Self(DescriptorPool::decode(bytes.as_slice()).unwrap())
    }

    /// `Publisher/CreateTopic`
    pub(crate) fn method(&self, name: &str) -> MethodDescriptor {
        let (service, method) = name.split_once('/').expect("Service/Method");
        let package = if service == "IAMPolicy" {
            "google.iam.v1"
        } else {
            "google.pubsub.v1"
        };
        let service = self.0.get_service_by_name(&format!("{package}.{service}"));
        let service = service.unwrap_or_else(|| panic!("no such service: {name}"));
        service
            .methods()
            .find(|m| m.name() == method)
            .unwrap_or_else(|| panic!("no such method: {name}"))
    }
}

pub(crate) fn encode(method: &MethodDescriptor, request: &Value) -> Vec<u8> {
    let nothing = serde_json::json!({});
    let request = if request.is_null() { &nothing } else { request };
    let message = DynamicMessage::deserialize(method.input(), request);
    message
        .unwrap_or_else(|e| panic!("{}: {e}: {request}", method.full_name()))
        .encode_to_vec()
}

pub(crate) fn decode(method: &MethodDescriptor, bytes: &[u8]) -> Value {
    let message = DynamicMessage::decode(method.output(), bytes).unwrap();
    message
        .serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())
        .unwrap()
}
