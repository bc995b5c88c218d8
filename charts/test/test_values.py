"""Typing errors are refused with the key's name, and what stands in the values is documented."""

import copy

import pytest

TYPOS = [
    ({"networkpolicy": {}}, "networkpolicy"),
    ({"networkPolicy": {"extraEgres": []}}, "extraEgres"),
    ({"serviceAccount": {"created": True}}, "created"),
    ({"image": {"repo": "x"}}, "repo"),
    ({"resources": {"limit": {}}}, "limit"),
    ({"resources": {"limits": {"cpu": True}}}, "/resources/limits/cpu"),
    ({"podMonitoring": {"enable": True}}, "enable"),
    ({"admissionPolicy": {"enable": True}}, "enable"),
    ({"replicas": -1}, "/replicas"),
    ({"config": {"topicPrefx": "x"}}, "topicPrefx"),
    ({"config": {"worker": {"timeout": "1d"}}}, "/config/worker/timeout"),
    ({"config": {"worker": {"limits": {"cpu": True}}}}, "/config/worker/limits/cpu"),
    ({"imagePullSecrets": ["mine"]}, "/imagePullSecrets/0"),
    ({"extraEnv": {"A": "b"}}, "/extraEnv"),
    ({"extraArgs": [1]}, "/extraArgs/0"),
    ({"tolerations": {"key": "x"}}, "/tolerations"),
    ({"topologySpreadConstraints": {}}, "/topologySpreadConstraints"),
]


@pytest.mark.parametrize(("values", "named"), TYPOS, ids=lambda value: str(value))
def test_a_typing_error_is_named(refusal, values, named):
    assert named in refusal(values)


def test_every_default_is_in_the_schema(defaults):
    import json

    from conftest import CHART

    schema = json.loads((CHART / "values.schema.json").read_text())
    schemas = schema["definitions"]

    def walk(values, schema, path):
        for key, value in values.items():
            known = {name: schemas[one["$ref"].split("/")[-1]] if "$ref" in one else one
                     for name, one in schema.get("properties", {}).items()}
            if key not in known:
                assert schema.get("additionalProperties") not in (None, False), f"{path}{key} is not in the schema"
                continue
            if isinstance(value, dict) and "properties" in known[key]:
                assert known[key].get("additionalProperties") is False, f"{path}{key} takes any key"
                walk(value, known[key], f"{path}{key}.")

    assert schema["additionalProperties"] is False
    walk(copy.deepcopy(defaults), schema, "")
