"""An image that no node could pull stops the installation, not each pod."""

import pytest

LOCAL = ["event-worker:dev", "event-worker", "event-worker@sha256:" + "0" * 64]
PULLABLE = ["europe-docker.pkg.dev/p/images/event-worker:1", "acme/event-worker:1", "localhost:5000/event-worker",
            "docker.io/library/event-worker:dev-0123"]


def worker(image, **more):
    return {"config": {"worker": {"image": image, **more}}}


@pytest.mark.parametrize("image", LOCAL)
def test_a_worker_image_without_a_registry_is_refused(refusal, image):
    text = refusal(worker(image))
    assert "config.worker.image" in text and "registry" in text and "localImages" in text


def test_the_default_worker_image_is_refused(refusal):
    base = {"config": {"projectId": "demo-project"}, "image": {"repository": "registry.example/event-operator"}}
    assert "config.worker.image" in refusal({}, base=base)


def test_the_operators_own_image_without_a_registry_is_refused(refusal):
    assert "image.repository" in refusal({"image": {"repository": "event-operator"}})


def test_all_that_is_missing_is_named_at_once(refusal):
    text = refusal({}, base={})
    for key in ["config.projectId", "config.worker.image", "image.repository"]:
        assert f"{key} is not set" in text, text


@pytest.mark.parametrize("image", PULLABLE)
def test_an_image_with_a_registry_is_taken(render, image):
    assert render(worker(image))


def test_images_that_are_on_every_node_are_asked_for(render):
    local = {"config": {"projectId": "demo-project", "worker": {"image": "event-worker:dev"}},
             "image": {"repository": "event-operator"}}
    assert render({**local, "localImages": True})
    never = {"config": {"worker": {"image": "event-worker:dev", "imagePullPolicy": "Never"}},
             "image": {"repository": "event-operator", "pullPolicy": "Never"}}
    assert render(never)


@pytest.mark.parametrize(("image", "expected"), [
    ({}, "registry.example/event-operator:0.1.0"),
    ({"tag": "1.2"}, "registry.example/event-operator:1.2"),
    ({"digest": "sha256:" + "a" * 64}, "registry.example/event-operator@sha256:" + "a" * 64),
    ({"tag": "1.2", "digest": "sha256:" + "a" * 64}, "registry.example/event-operator:1.2@sha256:" + "a" * 64),
])
def test_the_image_may_be_named_by_digest(render, image, expected):
    assert render({"image": image}).container["image"] == expected


def test_a_wrong_digest_is_refused(refusal):
    assert "digest" in refusal({"image": {"digest": "sha256:abc"}})
