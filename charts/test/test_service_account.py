"""The operator runs as an account of the chart's, or as a given one."""

import pytest


def bound(objects):
    return {subject["name"] for kind in ("ClusterRoleBinding", "RoleBinding") for one in objects.of(kind)
            for subject in one["subjects"]}


def test_by_default_the_chart_makes_it(render):
    objects = render({"serviceAccount": {"annotations": {"iam.gke.io/gcp-service-account": "x@y.iam.gserviceaccount.com"}}})
    account = objects.the("ServiceAccount")["metadata"]
    assert account["name"] == "event-operator" == objects.pod["serviceAccountName"]
    assert account["annotations"] == {"iam.gke.io/gcp-service-account": "x@y.iam.gserviceaccount.com"}


def test_its_name_may_be_chosen(render):
    objects = render({"serviceAccount": {"name": "mine"}})
    assert objects.the("ServiceAccount")["metadata"]["name"] == "mine" == objects.pod["serviceAccountName"]
    assert bound(objects) == {"mine"}


def test_one_that_is_there_is_used_and_left_alone(render):
    objects = render({"serviceAccount": {"create": False, "name": "given"}})
    assert not objects.of("ServiceAccount")
    assert objects.pod["serviceAccountName"] == "given"
    assert bound(objects) == {"given"}


@pytest.mark.parametrize("account", [{"create": False}, {"create": False, "name": ""}])
def test_one_that_is_there_has_to_be_named(refusal, account):
    assert "serviceAccount.name is not set" in refusal({"serviceAccount": account})


def test_annotations_of_one_that_is_there_are_not_the_charts(refusal):
    account = {"create": False, "name": "given", "annotations": {"a": "b"}}
    assert "serviceAccount.annotations" in refusal({"serviceAccount": account})
