#!/usr/bin/env python3
"""What Pub/Sub bills for events on topics that tenants share: the volume, and with a price the amount.

    cost.py --tenants N --gib GIB [--message-bytes B] [--price-per-tib P] [--free-gib F]

Every subscription on a topic is billed for each message that is published to the topic, whether its filter lets the message through or
not (https://cloud.google.com/pubsub/docs/filtering). Storage of what waits longer than a day, network between regions,
Cloud Monitoring and the cluster are not in it.
"""

import argparse

# A request counts for this much at least (https://cloud.google.com/pubsub/pricing).
LEAST_BYTES = 1000
GIB_IN_TIB = 1024


def billed(gib, message_bytes):
    """The volume that counts: requests of one small message each are rounded up."""
    return gib * max(1.0, LEAST_BYTES / message_bytes)


def volumes(tenants, gib, message_bytes):
    """GiB a month by what they are billed for."""
    counted = billed(gib, message_bytes)
    return {"published": counted, "delivered to subscriptions": counted * tenants}


def arguments():
    parser = argparse.ArgumentParser(description="What Pub/Sub bills for events on topics that tenants share.")
    parser.add_argument("--tenants", type=int, required=True, help="subscriptions on each topic")
    parser.add_argument("--gib", type=float, required=True, help="published in a month, of all tenants and topics together")
    parser.add_argument("--message-bytes", type=float, default=LEAST_BYTES, help="average size of a message that is published alone (default: 1000)")
    parser.add_argument("--price-per-tib", type=float, help="look it up: https://cloud.google.com/pubsub/pricing")
    parser.add_argument("--free-gib", type=float, default=0.0, help="of them free in a month (default: 0)")
    return parser.parse_args()


def main():
    given = arguments()
    total = 0.0
    for what, gib in volumes(given.tenants, given.gib, given.message_bytes).items():
        print(f"{what:<28}{gib:>12,.0f} GiB")
        total += gib
    print(f"{'billed':<28}{total:>12,.0f} GiB")
    if given.price_per_tib is not None:
        amount = max(0.0, total - given.free_gib) / GIB_IN_TIB * given.price_per_tib
        print(f"{'amount':<28}{amount:>12,.2f}")


if __name__ == "__main__":
    main()
