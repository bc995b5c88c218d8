"""Publishes events of one kilobyte as fast as it can with the Python package: `publisher.py PROJECT COUNT`. Prints the seconds that
publishing took, from the first event to the last answer; events are made before."""

import asyncio
import sys
import time

from livingtwin_events import EventFactory
from livingtwin_events.catalogue import Catalogue
from livingtwin_events.pubsub import PubSubBusAdapter

OUTSTANDING = 10_000
TITLE = "x" * 600


async def main(project, count):
    factory = EventFactory(source="bench")
    events = [
        factory.create_document_ingested(
            tenant_id="tenant-1", document_id=f"doc-{number}", document_title=TITLE, document_type="pdf"
        )
        for number in range(count)
    ]
    catalogue = Catalogue({"document-events": ["document.*"]})
    async with PubSubBusAdapter(project_id=project, topic_prefix="bench", catalogue=catalogue) as bus:
        start = time.monotonic()
        for first in range(0, count, OUTSTANDING):
            await asyncio.gather(*(bus.publish_domain_event(event) for event in events[first : first + OUTSTANDING]))
        print(time.monotonic() - start)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
