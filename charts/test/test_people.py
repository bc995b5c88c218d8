"""What people may do, by the roles that every cluster has: view, edit and admin."""

PREFIX = "rbac.authorization.k8s.io/aggregate-to-"


def aggregated(objects, to):
    rules = [rule for role in objects.of("ClusterRole") if role["metadata"]["labels"].get(PREFIX + to) == "true"
             for rule in role["rules"]]
    return {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]
            if rule["apiGroups"] == ["events.livingtwin.io"]}


READ = {(kind, verb) for kind in ("tenants", "eventsubscriptions") for verb in ("get", "list", "watch")}
WRITE = {("eventsubscriptions", verb) for verb in ("create", "update", "patch", "delete")}


def test_who_may_view_sees_both_kinds(render):
    assert aggregated(render(), "view") == READ


def test_who_may_edit_edits_the_kind_that_is_in_one_namespace(render):
    for role in ["edit", "admin"]:
        found = aggregated(render(), role)
        assert WRITE <= found and found <= READ | WRITE


def test_nobody_is_given_status_or_whole_collections(render):
    objects = render()
    for role in ["view", "edit", "admin"]:
        for resource, verb in aggregated(objects, role):
            assert "/" not in resource and verb not in ("deletecollection", "*")


def test_the_operator_itself_has_nothing_of_them(render):
    objects = render()
    bound = {one["roleRef"]["name"] for one in objects.of("ClusterRoleBinding")}
    people = {one["metadata"]["name"] for one in objects.of("ClusterRole")
              if any(label.startswith(PREFIX) for label in one["metadata"]["labels"])}
    assert people and not people & bound


def test_they_may_be_left_out(render):
    assert len(render({"aggregatedRoles": {"enabled": False}}).of("ClusterRole")) == 1
