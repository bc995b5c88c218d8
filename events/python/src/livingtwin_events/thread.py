"""A thread that does one thing after another, and never keeps a program from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue


class Thread:
    """Started with the first task. It is a daemon, unlike those of ThreadPoolExecutor: what blocks it may block for good."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: SimpleQueue[tuple[Future[None], Callable[[], None]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, task: Callable[[], None]) -> Future[None]:
        """Does it after everything that was submitted before. Can be cancelled until then."""
        future: Future[None] = Future()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._tasks.put((future, task))
        return future

    def end(self, timeout: float) -> None:
        """Ends after the tasks that were submitted, and waits for that so many seconds."""
        with self._lock:
            self._tasks.put(None)
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _run(self) -> None:
        while (item := self._tasks.get()) is not None:
            future, task = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                task()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(None)
