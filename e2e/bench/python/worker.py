"""A careful worker on asyncio: Google's SubscriberAsyncClient, acks in batches, leases extended, drained on SIGTERM.

The official client has no streaming-pull manager for asyncio, so flow control, leases and reconnecting are done here.
What makes it fast: the messages of a response are handled together, the protobuf messages are read as they are and
not through their wrappers, and acks go out as soon as a batch of handlers is done.
"""

import asyncio
import gc
import signal
import time
import uuid

import grpc
from google.api_core import exceptions
from google.pubsub_v1 import types
from google.pubsub_v1.services.subscriber import SubscriberAsyncClient
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcAsyncIOTransport

import settings as environment
from envelope import Refused, admit

ACK_BATCH = 1_000
LEASE = 60  # seconds that a stream's messages are leased for
EXTEND_EVERY = 20
DONE_FOR = 24 * 3_600
CLAIM_FOR = 3_600 + 60
REMEMBERED = 1_000_000


class MemoryStore:
    """Claims and ends in this process, bounded in time and number."""

    def __init__(self):
        self.entries = {}  # key -> (done, until)

    async def claim(self, key):
        now = time.monotonic()
        entry = self.entries.get(key)
        if entry is not None and entry[1] > now:
            return "done" if entry[0] else "in flight"
        self.entries[key] = (False, now + CLAIM_FOR)
        return "claimed"

    async def finish(self, key, _token):
        # Reinserted, so that the oldest end is the first of the dictionary.
        del self.entries[key]
        self.entries[key] = (True, time.monotonic() + DONE_FOR)
        if len(self.entries) > REMEMBERED:
            oldest = next(iter(self.entries))
            if self.entries[oldest][0]:
                del self.entries[oldest]
        return True

    async def release(self, key, _token):
        self.entries.pop(key, None)


class RedisStore:
    """SET NX PX with a token as claim; an end is noted only while the claim is ours. Calls of one turn of the loop share a pipeline."""

    FINISH = "if redis.call('GET',KEYS[1])==ARGV[1] then redis.call('SET',KEYS[1],'done','PX',ARGV[2]) return 1 end return 0"
    RELEASE = "if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end return 0"

    def __init__(self, url, tenant):
        from redis import asyncio as redis

        self.client = redis.from_url(url, max_connections=8)
        self.prefix = f"event-worker:{tenant}:"
        self.token = uuid.uuid4().hex
        self.waiting = []

    def _call(self, command, *arguments, **options):
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((command, arguments, options, future))
        if len(self.waiting) == 1:
            asyncio.get_running_loop().call_soon(lambda: asyncio.ensure_future(self._flush()))
        return future

    async def _flush(self):
        waiting, self.waiting = self.waiting, []
        pipeline = self.client.pipeline(transaction=False)
        for command, arguments, options, _ in waiting:
            getattr(pipeline, command)(*arguments, **options)
        try:
            replies = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001  everybody who waits is told
            replies = [error] * len(waiting)
        for (*_, future), reply in zip(waiting, replies):
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    async def claim(self, key):
        # GET tells what was there: with NX it answers nothing when the key was set.
        before = await self._call("set", self.prefix + key, self.token, nx=True, get=True, px=CLAIM_FOR * 1_000)
        if before is None:
            return "claimed"
        return "done" if before == b"done" else "in flight"

    async def finish(self, key, token):
        return await self._call("eval", self.FINISH, 1, self.prefix + key, token, DONE_FOR * 1_000) == 1

    async def release(self, key, token):
        await self._call("eval", self.RELEASE, 1, self.prefix + key, token)


async def handle(_event):
    """The handler: nothing to do."""


class Worker:
    def __init__(self, settings):
        self.settings = settings
        url = settings.idempotency_url
        self.store = MemoryStore() if url == "memory:" else RedisStore(url, settings.tenant)
        self.token = getattr(self.store, "token", None)
        channel = grpc.aio.insecure_channel(
            settings.emulator, options=[("grpc.max_receive_message_length", 64 << 20)]
        )
        self.client = SubscriberAsyncClient(transport=SubscriberGrpcAsyncIOTransport(channel=channel))
        self.slots = asyncio.Semaphore(settings.concurrent)
        self.leased = set()
        self.acks = []
        self.flushing = set()
        self.tasks = set()
        self.stopping = asyncio.Event()

    async def run(self):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        extending = asyncio.create_task(self.extend())
        stop = asyncio.create_task(self.stopping.wait())
        while not self.stopping.is_set():
            pulling = asyncio.create_task(self.pull())
            await asyncio.wait({pulling, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not pulling.done():
                pulling.cancel()
            try:
                await pulling
            except asyncio.CancelledError:
                break
            except (exceptions.GoogleAPICallError, grpc.aio.AioRpcError) as error:
                code = getattr(error, "grpc_status_code", None) or getattr(error, "code", lambda: None)()
                if code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED):
                    raise
                await asyncio.sleep(0.5)
        while self.tasks:
            await asyncio.wait(self.tasks)
        self.flush()
        while self.flushing:
            await asyncio.wait(self.flushing)
        extending.cancel()

    async def pull(self):
        opening = types.StreamingPullRequest(
            subscription=self.settings.subscription,
            stream_ack_deadline_seconds=LEASE,
            max_outstanding_messages=self.settings.outstanding,
            max_outstanding_bytes=100 << 20,
            client_id=str(uuid.uuid4()),
        )

        async def requests():
            yield opening
            await asyncio.Event().wait()  # the stream stays open as long as its requests do

        stream = await self.client.streaming_pull(requests=requests())
        async for response in stream:
            for received in types.StreamingPullResponse.pb(response).received_messages:
                self.leased.add(received.ack_id)
                task = asyncio.create_task(self.process(received))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def process(self, received):
        ack_id, message = received.ack_id, received.message
        try:
            event = admit(self.settings.tenant, message.data, message.attributes)
        except Refused:
            await self.nack(ack_id)
            return
        try:
            async with self.slots:
                while (claim := await self.store.claim(event.key)) == "in flight":
                    await asyncio.sleep(0.1)
                if claim == "claimed":
                    try:
                        await handle(event)
                    except Exception:
                        await self.store.release(event.key, self.token)
                        raise
                    await self.store.finish(event.key, self.token)
        except Exception:  # noqa: BLE001  whatever it was, the event is not handled
            await self.nack(ack_id)
            return
        self.ack(ack_id)

    def ack(self, ack_id):
        self.acks.append(ack_id)
        if len(self.acks) == 1:
            # Everything that is ready to run now is run before, and shares the request.
            asyncio.get_running_loop().call_soon(self.flush)
        elif len(self.acks) >= ACK_BATCH:
            self.flush()

    def flush(self):
        if not self.acks:
            return
        ids, self.acks = self.acks, []
        self.leased.difference_update(ids)
        task = asyncio.create_task(self.acknowledge(ids))
        self.flushing.add(task)
        task.add_done_callback(self.flushing.discard)

    async def acknowledge(self, ids):
        try:
            await self.client.acknowledge(subscription=self.settings.subscription, ack_ids=ids)
        except exceptions.GoogleAPICallError:
            pass  # the events come again, and are known as done

    async def nack(self, ack_id):
        self.leased.discard(ack_id)
        await self.client.modify_ack_deadline(
            subscription=self.settings.subscription, ack_ids=[ack_id], ack_deadline_seconds=0
        )

    async def extend(self):
        while True:
            await asyncio.sleep(EXTEND_EVERY)
            ids = list(self.leased)
            for start in range(0, len(ids), ACK_BATCH):
                await self.client.modify_ack_deadline(
                    subscription=self.settings.subscription,
                    ack_ids=ids[start : start + ACK_BATCH],
                    ack_deadline_seconds=LEASE,
                )


async def main():
    await Worker(environment.from_environment()).run()


if __name__ == "__main__":
    # What the imports made lives for ever: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    asyncio.run(main())
