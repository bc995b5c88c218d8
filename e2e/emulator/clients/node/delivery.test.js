// Publish and streaming pull: filters, ordering, nacks, a close and what comes after it, exactly-once, dead letters.

const {Code, PATIENCE, SOON, assert, call, eventually, refused, suite} = require('./bench');

const numbers = (from, to) => Array.from({length: to - from + 1}, (_, i) => `${from + i}`);

suite('delivery', {
  async 'a streaming pull brings the backlog and what comes later, whole'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic);
    const [id] = await bench.publish(topic, ['before'], {attributes: {a: '1'}, orderingKey: 'k'});
    const inbox = bench.stream(subscription);
    const [message] = await inbox.wait(1);
    assert.equal(message.id, id);
    assert.deepEqual(message.attributes, {a: '1'});
    assert.equal(message.orderingKey, 'k');
    assert(Math.abs(Date.now() - message.publishTime) < 60_000, `published at ${message.publishTime}`);
    await bench.publish(topic, numbers(1, 200));
    await inbox.wait(201);
    await bench.backlogIs(subscription, 0);
    assert.deepEqual(new Set(inbox.bodies()), new Set(['before', ...numbers(1, 200)]));
    assert.equal(inbox.messages.length, 201, 'each came once');
  },

  async 'as many as the client acknowledges in a request are acknowledged'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic);
    // The client's own number; its request has to stay below 512 KiB, whatever the length of ack ids.
    const count = 3_000;
    for (let from = 1; from <= count; from += 1_000) await bench.publish(topic, numbers(from, from + 999));
    const inbox = bench.stream(subscription, () => {}, {
      flowControl: {maxMessages: count, allowExcessMessages: false},
      streamingOptions: {maxStreams: 1},
    });
    const messages = await inbox.wait(count);
    messages.forEach(message => message.ack());
    await bench.backlogIs(subscription, 0);
  },

  async 'flow control holds back what is beyond it'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic);
    await bench.publish(topic, numbers(1, 20));
    // The client gives each of its streams the whole limit, so that there may be but a single stream.
    const inbox = bench.stream(subscription, () => {}, {
      flowControl: {maxMessages: 3, allowExcessMessages: false},
      streamingOptions: {maxStreams: 1},
    });
    await inbox.wait(3);
    await eventually('three leases', async () => assert.equal((await bench.stats(subscription)).outstanding, 3));
    for (let acked = 0; acked < 20; acked++) {
      const messages = await inbox.wait(Math.min(acked + 3, 20));
      assert(messages.length <= acked + 3, `${messages.length} came, and ${acked} were acked`);
      messages[acked].ack();
    }
    await bench.backlogIs(subscription, 0);
  },

  async 'a filter chooses'(bench) {
    const topic = await bench.topic();
    const ours = await bench.subscription(topic, {filter: 'attributes.tenant_id = "a"'});
    const others = await bench.subscription(topic, {filter: 'attributes:tenant_id AND NOT attributes.tenant_id = "a"'});
    await bench.publish(topic, ['for a'], {attributes: {tenant_id: 'a'}});
    await bench.publish(topic, ['for b'], {attributes: {tenant_id: 'b'}});
    await bench.publish(topic, ['for none']);
    assert.equal((await bench.stats(ours)).backlog, 1);
    assert.equal((await bench.stats(others)).backlog, 1);
    const inboxes = [bench.stream(ours), bench.stream(others)];
    await Promise.all(inboxes.map(inbox => inbox.wait(1)));
    assert.deepEqual(inboxes.map(inbox => inbox.bodies()), [['for a'], ['for b']]);
  },

  async 'messages of a key come in the order they were published, and again from a nack on'(bench) {
    const topic = await bench.topic();
    topic.setPublishOptions({messageOrdering: true});
    const subscription = await bench.subscription(topic, {enableMessageOrdering: true});
    const keys = ['a', 'b', 'c'];
    await Promise.all(keys.map(orderingKey => bench.publish(topic, numbers(1, 40), {orderingKey})));
    const inbox = bench.stream(subscription, (message, times) =>
      message.orderingKey === 'a' && `${message.data}` === '20' && times === 1 ? message.nack() : message.ack(),
    );
    await inbox.wait(120);
    await bench.backlogIs(subscription, 0);
    const of = key => inbox.messages.filter(m => m.orderingKey === key).map(m => `${m.data}`);
    assert.deepEqual(of('b'), numbers(1, 40), 'another key is not touched');
    assert.deepEqual(of('c'), numbers(1, 40), 'another key is not touched');
    // "Receive messages in order": after a nack, that message and all later ones of the key come again.
    assert.deepEqual(of('a').slice(0, 20), numbers(1, 20));
    assert.deepEqual(of('a').slice(-21), numbers(20, 40));
  },

  async 'a nack brings the message again at once'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic, {ackDeadlineSeconds: 60});
    const [id] = await bench.publish(topic, ['again']);
    const inbox = bench.stream(subscription, (message, times) => (times < 3 ? message.nack() : message.ack()));
    const messages = await inbox.wait(3, SOON);
    assert.deepEqual(messages.map(m => m.id), [id, id, id]);
    await bench.backlogIs(subscription, 0);
    const {totals} = await bench.stats(subscription);
    assert.deepEqual([totals.nacked, totals.acked, totals.expired], [2, 1, 0]);
  },

  async 'what is outstanding at a close comes again at once in the stream that is opened next'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic, {ackDeadlineSeconds: 60});
    const ids = await bench.publish(topic, numbers(1, 50));
    const first = bench.stream(subscription, message => Number(message.data) <= 10 && message.ack());
    await first.wait(50);
    await bench.backlogIs(subscription, 40);
    await first.subscription.close(); // gives back what it holds
    const second = bench.stream(subscription);
    const again = await second.wait(40, SOON);
    assert.deepEqual(new Set(again.map(m => m.id)), new Set(ids.slice(10)));
    await bench.backlogIs(subscription, 0);
    assert.equal((await bench.stats(subscription)).totals.expired, 0);
  },

  async 'the same subscriber closes and opens again'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic, {ackDeadlineSeconds: 60});
    const inbox = bench.stream(subscription);
    for (const body of numbers(1, 5)) {
      await bench.publish(topic, [body]);
      await inbox.wait(Number(body), SOON);
      await inbox.subscription.close();
      inbox.subscription.open();
    }
    assert.deepEqual(inbox.bodies(), numbers(1, 5));
    await bench.backlogIs(subscription, 0);
  },

  async 'a missing subscription ends the stream'(bench) {
    const inbox = bench.stream({name: 'missing'});
    await new Promise(resolve => inbox.subscription.once('error', resolve));
    assert.equal(inbox.errors[0].code, Code.NOT_FOUND);
  },

  async 'exactly once: acks and nacks report success'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic, {enableExactlyOnceDelivery: true});
    const ids = await bench.publish(topic, numbers(1, 20));
    const answers = [];
    const inbox = bench.stream(subscription, (message, times) => {
      const nacked = times === 1 && `${message.data}` === '7';
      answers.push(nacked ? message.nackWithResponse() : message.ackWithResponse());
    });
    await inbox.wait(21);
    assert.deepEqual(await Promise.all(answers), Array(21).fill('SUCCESS'));
    await bench.backlogIs(subscription, 0);
    assert.deepEqual(inbox.messages.map(m => m.id).sort(), [...ids, ids[6]].sort());
  },

  async 'exactly once: an ack whose lease was taken back is refused'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic, {enableExactlyOnceDelivery: true});
    await bench.publish(topic, ['once']);
    let refusal;
    const inbox = bench.stream(subscription, async (message, times) => {
      if (times === 2) return;
      await message.modAckWithResponse(0);
      refusal = message.ackWithResponse().catch(error => error);
    });
    const [, again] = await inbox.wait(2);
    assert.equal((await refusal).errorCode, 'INVALID');
    assert.equal(await again.ackWithResponse(), 'SUCCESS');
    await bench.backlogIs(subscription, 0);
    assert.equal((await bench.stats(subscription)).totals.acked, 1, 'the refused ack did not count');
  },

  async 'a dead letter arrives after its attempts, with its origin, once both grants are there'(bench) {
    // The service agent carries the project's number, and each test's project has its own.
    const projectNumber = `${600_000_000_000 + parseInt(bench.project.slice(-3), 16)}`;
    await call('PUT', `/emulator/v1/projects/${bench.project}`, {projectNumber});
    const agent = `serviceAccount:service-${projectNumber}@gcp-sa-pubsub.iam.gserviceaccount.com`;
    const grant = ({iam}, role) => iam.setPolicy({bindings: [{role, members: [agent]}]});
    const [topic, deadTopic] = [await bench.topic(), await bench.topic()];
    const dead = await bench.subscription(deadTopic);
    const deadLetterPolicy = {deadLetterTopic: deadTopic.name, maxDeliveryAttempts: 5};
    const subscription = await bench.subscription(topic, {deadLetterPolicy});
    await grant(deadTopic, 'roles/pubsub.publisher');
    await grant(subscription, 'roles/pubsub.subscriber');

    await bench.publish(topic, ['good', 'poison'], {attributes: {tenant_id: 'a'}});
    const inbox = bench.stream(subscription, m => (`${m.data}` === 'poison' ? m.nack() : m.ack()));
    const [letter] = await bench.stream(dead).wait(1);
    assert.equal(`${letter.data}`, 'poison');
    assert.equal(letter.attributes.tenant_id, 'a');
    assert.equal(letter.attributes.CloudPubSubDeadLetterSourceSubscription, subscription.name.split('/').pop());
    assert.equal(letter.attributes.CloudPubSubDeadLetterSourceDeliveryCount, '5');
    await bench.backlogIs(subscription, 0);
    const attempts = inbox.messages.filter(m => `${m.data}` === 'poison').map(m => m.deliveryAttempt);
    assert.deepEqual(attempts, [1, 2, 3, 4, 5]);
  },

  async 'a message too large is refused, and the next passes'(bench) {
    const topic = await bench.topic();
    topic.setPublishOptions({batching: {maxMessages: 1}});
    const subscription = await bench.subscription(topic);
    const large = Buffer.alloc(10_000_001, 'x');
    await refused(Code.INVALID_ARGUMENT, () => topic.publishMessage({data: large}));
    await topic.publishMessage({data: large.subarray(0, 9_000_000)});
    const inbox = bench.stream(subscription);
    const [message] = await inbox.wait(1, PATIENCE);
    assert.equal(message.data.length, 9_000_000);
    await bench.backlogIs(subscription, 0);
  },
});
