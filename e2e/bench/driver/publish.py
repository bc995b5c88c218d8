"""Publishes to the emulator: a backlog as fast as it can, or a load at a rate. A process of its own, so that it shares
no interpreter with what is measured.

    publish.py HOST fill COUNT
    publish.py HOST load RATE SECONDS     prints [[seconds on the monotonic clock, events published so far], …]
"""

import json
import sys
import time

import grpc

from events import REQUEST, Source

METHOD = "/google.pubsub.v1.Publisher/Publish"
STEP = 0.01  # seconds between two requests of a load
UNDER_WAY = 4


def channel_to(host):
    channel = grpc.insecure_channel(host, options=[("grpc.max_send_message_length", 32 << 20)])
    grpc.channel_ready_future(channel).result(10)
    return channel.unary_unary(METHOD, request_serializer=None, response_deserializer=None)


def fill(host, count):
    publish, source, calls = channel_to(host), Source(), []
    while source.made < count:
        if len(calls) >= UNDER_WAY:
            calls.pop(0).result()
        calls.append(publish.future(source.request(min(REQUEST, count - source.made))))
    for call in calls:
        call.result()


def load(host, rate, seconds):
    publish, source, calls, marks = channel_to(host), Source(), [], []
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < seconds:
        due = int(rate * elapsed) - source.made
        if due > 0:
            request = source.request(min(REQUEST, due))
            marks.append((time.monotonic(), source.made))
            calls.append(publish.future(request))
            while len(calls) >= UNDER_WAY:
                calls.pop(0).result()
        if due < REQUEST:
            time.sleep(max(0.0, start + elapsed + STEP - time.monotonic()))
    for call in calls:
        call.result()
    print(json.dumps(marks))


if __name__ == "__main__":
    host, what, *numbers = sys.argv[1:]
    {"fill": fill, "load": load}[what](host, *map(int, numbers))
