//! Pure: where spans go, as the variables of OpenTelemetry say
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>,
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).
//!
//! The endpoint is decided here and given to the exporter, for which a given value goes before every variable. What is
//! not asked for here (headers, timeouts, sampler, batches, resource attributes) the SDK reads itself.

use reqwest::Url;

use super::{Flags, Masked, WrongSetting, value::given, wrong};

/// Where the specification has spans go when they are asked for and no endpoint is.
const DEFAULT_ENDPOINT: &str = "http://localhost:4317";

/// The collector that spans go to, if they go anywhere.
pub(super) fn traces(flags: &Flags) -> Result<Option<Masked>, WrongSetting> {
    if disabled(flags) {
        return Ok(None);
    }
    let exporter = exporter(flags)?;
    if exporter == Some(Exporter::None) {
        return Ok(None);
    }
    let endpoint = first([
        (
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            &flags.otel_exporter_otlp_traces_endpoint,
        ),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &flags.otel_exporter_otlp_endpoint),
    ]);
    let protocol = first([
        (
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            &flags.otel_exporter_otlp_traces_protocol,
        ),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", &flags.otel_exporter_otlp_protocol),
    ]);
    if let Some((variable, other)) = protocol.filter(|(_, protocol)| protocol != "grpc") {
        let problem = format!("{other:?} is not \"grpc\", the one protocol that is spoken");
        return Err(wrong(variable, problem));
    }
    let default = exporter.map(|_otlp| ("OTEL_TRACES_EXPORTER", DEFAULT_ENDPOINT.to_owned()));
    let Some((variable, endpoint)) = endpoint.or(default) else {
        return Ok(None);
    };
    // The text is not repeated: it may hold credentials.
    Url::parse(&endpoint)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .map(|url| Some(Masked::from(url)))
        .ok_or_else(|| wrong(variable, "is not an http:// or https:// URL"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Exporter {
    Otlp,
    None,
}

fn exporter(flags: &Flags) -> Result<Option<Exporter>, WrongSetting> {
    match given(flags.otel_traces_exporter.clone()).as_deref() {
        None => Ok(None),
        Some("otlp") => Ok(Some(Exporter::Otlp)),
        Some("none") => Ok(Some(Exporter::None)),
        Some(other) => Err(wrong(
            "OTEL_TRACES_EXPORTER",
            format!("{other:?} is neither \"otlp\" nor \"none\""),
        )),
    }
}

/// By the specification `true` in any case is true, and everything else is false.
fn disabled(flags: &Flags) -> bool {
    let text = flags.otel_sdk_disabled.as_deref().unwrap_or_default();
    text.trim().eq_ignore_ascii_case("true")
}

/// The first that is set, with its name: a signal's own variable goes before the general one.
fn first(variables: [(&'static str, &Option<String>); 2]) -> Option<(&'static str, String)> {
    variables
        .into_iter()
        .find_map(|(variable, text)| Some((variable, given(text.clone())?)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn of(args: &[&str]) -> Result<Option<String>, String> {
        let flags = Flags::try_parse_from(["event-worker"].iter().chain(args)).unwrap();
        match traces(&flags) {
            Ok(endpoint) => Ok(endpoint.map(|endpoint| endpoint.url().to_string())),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_signals_own_endpoint_goes_before_the_general_one() {
        let general = "--otel-exporter-otlp-endpoint=http://general:4317";
        let own = "--otel-exporter-otlp-traces-endpoint=http://traces:4317";
        let to = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[general]), to("http://general:4317/"));
        assert_eq!(of(&[own]), to("http://traces:4317/"));
        assert_eq!(of(&[general, own]), to("http://traces:4317/"));
        let empty = "--otel-exporter-otlp-traces-endpoint=";
        assert_eq!(of(&[general, empty]), to("http://general:4317/"));
    }

    #[test]
    fn traces_are_switched_off_and_on_by_their_variables() {
        let general = "--otel-exporter-otlp-endpoint=http://general:4317";
        let to = |text: &str| Ok(Some(text.to_owned()));
        for off in [
            "--otel-sdk-disabled=true",
            "--otel-sdk-disabled=TRUE",
            "--otel-traces-exporter=none",
        ] {
            assert_eq!(of(&[general, off]), Ok(None), "{off}");
            // What is not used cannot be wrong.
            assert_eq!(
                of(&[off, "--otel-exporter-otlp-endpoint=nonsense"]),
                Ok(None),
                "{off}"
            );
        }
        for on in [
            "--otel-sdk-disabled=false",
            "--otel-sdk-disabled=1",
            "--otel-sdk-disabled=",
            "--otel-traces-exporter=",
        ] {
            assert_eq!(of(&[general, on]), to("http://general:4317/"), "{on}");
            assert_eq!(of(&[on]), Ok(None), "{on}");
        }
        let otlp = "--otel-traces-exporter=otlp";
        assert_eq!(of(&[otlp, general]), to("http://general:4317/"));
        assert_eq!(of(&[otlp]), to("http://localhost:4317/"));
    }

    #[test]
    fn what_is_wrong_is_named_by_its_own_variable() {
        let general = "--otel-exporter-otlp-endpoint=http://general:4317";
        for (args, expected) in [
            (
                vec!["--otel-exporter-otlp-traces-endpoint=s3cret"],
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: is not an http:// or https:// URL",
            ),
            (
                vec![general, "--otel-exporter-otlp-traces-protocol=http/json"],
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: \"http/json\" is not \"grpc\", the one protocol that is spoken",
            ),
            (
                vec![general, "--otel-traces-exporter=console"],
                "OTEL_TRACES_EXPORTER: \"console\" is neither \"otlp\" nor \"none\"",
            ),
        ] {
            assert_eq!(of(&args), Err(expected.to_owned()));
        }
        let both = [
            "--otel-exporter-otlp-protocol=http/protobuf",
            "--otel-exporter-otlp-traces-protocol=grpc",
        ];
        assert!(of(&[general, both[0], both[1]]).is_ok());
    }
}
