// What the tests share: official clients, fresh names, and a look behind the emulator's counter.

const assert = require('node:assert/strict');
const {randomUUID} = require('node:crypto');
const test = require('node:test');
const {PubSub} = require('@google-cloud/pubsub');

const host = process.env.PUBSUB_EMULATOR_HOST;
assert(host, 'PUBSUB_EMULATOR_HOST is missing: host:port of the emulator; ../run.sh sets it');

const PATIENCE = 30_000; // milliseconds that a condition may take to come true
const SOON = 9_000; // less than the shortest lease of 10 s, so that what comes by then did not wait for its end

// google.rpc.Code
const Code = {INVALID_ARGUMENT: 3, NOT_FOUND: 5, ALREADY_EXISTS: 6, FAILED_PRECONDITION: 9, ABORTED: 10};

/** Waits until `check` asserts nothing any more; fails after a while with what it asserted last. */
async function eventually(what, check, patience = PATIENCE) {
  for (const deadline = Date.now() + patience; ; await new Promise(resolve => setTimeout(resolve, 20))) {
    try {
      return await check();
    } catch (error) {
      if (!(error instanceof assert.AssertionError)) throw error;
      if (Date.now() > deadline) {
        error.message = `waited ${patience} ms for ${what}: ${error.message}`;
        throw error;
      }
    }
  }
}

/** The emulator's own API, which the service does not have (see e2e/emulator/README.md). */
async function call(method, path, body) {
  const response = await fetch(`http://${host}${path}`, {
    method,
    headers: {'content-type': 'application/json'},
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE),
  });
  const text = await response.text();
  assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return JSON.parse(text || '{}');
}

/** Fails unless the call is refused with the code; returns the message. */
async function refused(code, call) {
  try {
    await call();
  } catch (error) {
    assert.equal(error.code, code, `expected code ${code}, got ${error.code}: ${error.message}`);
    return error.message;
  }
  assert.fail(`expected code ${code}, and the call passed`);
}

/** Collects what a streaming pull brings. `decide(message, timesSeen)` acks or nacks. */
class Inbox {
  constructor(subscription, decide = message => message.ack()) {
    this.messages = [];
    this.errors = [];
    this.times = new Map();
    this.subscription = subscription;
    subscription.on('error', error => this.errors.push(error));
    subscription.on('message', message => {
      this.messages.push(message);
      this.times.set(message.id, (this.times.get(message.id) ?? 0) + 1);
      return decide(message, this.times.get(message.id));
    });
  }

  bodies() {
    return this.messages.map(message => message.data.toString());
  }

  /** Waits for that many messages. */
  wait(count, patience) {
    return eventually(
      `${count} messages`,
      () => {
        assert.deepEqual(this.errors, [], 'the stream fails');
        assert(this.messages.length >= count, `got ${this.messages.length} of ${count}: ${this.bodies()}`);
        return this.messages.slice();
      },
      patience,
    );
  }
}

/** A test's topics and subscriptions, in a project of its own. */
class Bench {
  constructor() {
    this.project = `clients-node-${randomUUID().slice(0, 12)}`;
    this.pubsub = new PubSub({projectId: this.project});
    this.names = 0;
    this.streams = [];
  }

  name() {
    return `n-${++this.names}`;
  }

  async topic(fields = {}) {
    const [topic] = await this.pubsub.createTopic({name: this.pubsub.topic(this.name()).name, ...fields});
    return topic;
  }

  async subscription(topic, fields = {}) {
    const [subscription] = await topic.createSubscription(this.name(), fields);
    return subscription;
  }

  /** Publishes in this order, each with the key, and returns the ids. */
  publish(topic, bodies, fields = {}) {
    return Promise.all(bodies.map(body => topic.publishMessage({data: Buffer.from(body), ...fields})));
  }

  /** A streaming pull, which ends with the test. */
  stream(subscription, decide, options = {}) {
    const opened = this.pubsub.subscription(subscription.name, options);
    this.streams.push(opened);
    return new Inbox(opened, decide);
  }

  async stats(subscription) {
    const {subscriptions} = await call('GET', '/emulator/v1/subscriptions');
    return subscriptions.find(({name}) => name === subscription.name);
  }

  backlogIs(subscription, expected) {
    return eventually(`a backlog of ${expected} in ${subscription.name}`, async () =>
      assert.equal((await this.stats(subscription)).backlog, expected),
    );
  }

  async stop() {
    await Promise.all(this.streams.map(stream => stream.close()));
    await this.pubsub.close();
  }
}

/** A file's tests by name, each with a bench of its own. All of them run at the same time. */
function suite(file, scenarios) {
  test.describe(file, {concurrency: true}, () => {
    for (const [name, scenario] of Object.entries(scenarios)) {
      test.test(name, {timeout: 120_000}, async () => {
        const bench = new Bench();
        try {
          await scenario(bench);
        } finally {
          await bench.stop();
        }
      });
    }
  });
}

module.exports = {Code, PATIENCE, SOON, assert, call, eventually, refused, suite};
