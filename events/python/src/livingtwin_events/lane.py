"""One official client, and the thread that calls it.

The client may block (its constructor looks for credentials, and its flow control waits), so it is never called on the event loop.
One thread keeps the order in which events are handed over, which is what ordering keys promise.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future, wait
from typing import Any

from google.api_core import exceptions as api
from google.api_core.retry import Retry, if_exception_type
from google.api_core.timeout import TimeToDeadlineTimeout
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1.types import BatchSettings, PublisherOptions, PublishFlowControl

from .thread import Thread

# What the client tries again by itself; its own list.
_TRIED_AGAIN = if_exception_type(
    api.Aborted,
    api.Cancelled,
    api.DeadlineExceeded,
    api.InternalServerError,
    api.ResourceExhausted,
    api.ServiceUnavailable,
    api.Unknown,
)


class Lane:
    """Publishes messages with ordering keys, or messages without."""

    def __init__(
        self,
        *,
        ordered: bool,
        timeout: float,
        batch_settings: BatchSettings,
        flow_control: PublishFlowControl,
        client_arguments: Mapping[str, Any],
    ) -> None:
        self._ordered = ordered
        self._timeout = timeout
        self._batch_settings = batch_settings
        self._flow_control = flow_control
        self._client_arguments = client_arguments
        self._client: pubsub_v1.PublisherClient | None = None
        self._thread = Thread("livingtwin-events-ordered" if ordered else "livingtwin-events")
        self._lock = threading.Lock()
        self._outstanding: set[Future[str]] = set()

    def publish(
        self, topic: str, data: bytes, attributes: Mapping[str, str], ordering_key: str
    ) -> tuple[Future[None], Future[str]]:
        """Hands a message over, in the order of the calls.

        Returns:
            When the client has it, which can be cancelled before that; and its id, when Pub/Sub has it.
        """
        answer: Future[str] = Future()
        answer.set_running_or_notify_cancel()
        with self._lock:
            self._outstanding.add(answer)
        answer.add_done_callback(self._forget)

        def hand_over() -> None:
            try:
                sent = self._connected().publish(topic, data, ordering_key=ordering_key, **attributes)
            except Exception as error:
                answer.set_exception(error)
            else:
                sent.add_done_callback(lambda done: self._answered(done, answer, topic, ordering_key))

        handed = self._thread.submit(hand_over)
        handed.add_done_callback(
            lambda done: answer.set_exception(TimeoutError("it was never sent")) if done.cancelled() else None
        )
        return handed, answer

    def wait(self, timeout: float) -> bool:
        """Blocks until everything handed over until now was answered. Returns whether it was, within the timeout in seconds."""
        with self._lock:
            outstanding = set(self._outstanding)
        return not wait(outstanding, timeout).not_done

    def close(self, timeout: float) -> bool:
        """Publishes what waits, and ends client and thread. Blocks for at most the timeout, in seconds.

        Returns:
            Whether every answer came.
        """
        if not self._ordered:
            # Sends what waits for its batch to fill. With ordering keys it would give up all but the first batch of each.
            self._thread.submit(self._stop)
        complete = self.wait(timeout)
        self._thread.submit(self._stop)
        if complete:
            self._thread.submit(self._disconnect)
        self._thread.end(timeout if complete else 0)
        return complete

    def _connected(self) -> pubsub_v1.PublisherClient:
        if self._client is None:
            self._client = pubsub_v1.PublisherClient(
                batch_settings=self._batch_settings,
                publisher_options=PublisherOptions(
                    enable_message_ordering=self._ordered,
                    flow_control=self._flow_control,
                    # With ordering keys the client makes both infinite, because giving up would break the order; the adapter's
                    # timeout then bounds only how long is waited for the answer.
                    retry=Retry(_TRIED_AGAIN, initial=0.1, maximum=5.0, multiplier=2.0, timeout=self._timeout),
                    timeout=TimeToDeadlineTimeout(self._timeout),
                ),
                **self._client_arguments,
            )
        return self._client

    def _answered(self, done: Future[str], answer: Future[str], topic: str, ordering_key: str) -> None:
        error = done.exception()
        if error is None:
            answer.set_result(done.result())
            return
        if ordering_key:
            # After a failure the client refuses everything of that key until it is resumed
            # (https://cloud.google.com/pubsub/docs/publisher#use-ordering-keys). It may hold its own locks here, so that is left
            # to the thread, where it comes before anything that is handed over after the failure is known.
            self._thread.submit(lambda: self._resume(topic, ordering_key))
        answer.set_exception(error)

    def _resume(self, topic: str, ordering_key: str) -> None:
        try:
            self._connected().resume_publish(topic, ordering_key)
        except RuntimeError:
            # The key is not paused, since an event that failed with this one resumed it; or the client was stopped.
            return

    def _stop(self) -> None:
        try:
            if self._client is not None:
                self._client.stop()
        except RuntimeError:
            # It was stopped before.
            return

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.transport.close()

    def _forget(self, answer: Future[str]) -> None:
        with self._lock:
            self._outstanding.discard(answer)
