// Seek by time and by snapshot, also under a stream that is open; purge; snapshots themselves.

const {Code, SOON, assert, refused, suite} = require('./bench');

/** Acks all that is there, and ends its stream. */
async function drain(bench, subscription, count) {
  const inbox = bench.stream(subscription);
  const messages = await inbox.wait(count);
  await bench.backlogIs(subscription, 0);
  await inbox.subscription.close();
  return messages;
}

suite('seek', {
  async 'a seek back in time brings what the subscription retained'(bench) {
    const topic = await bench.topic();
    const keeps = await bench.subscription(topic, {retainAckedMessages: true});
    const drops = await bench.subscription(topic);
    await bench.publish(topic, ['1', '2']);
    await drain(bench, keeps, 2);
    await drain(bench, drops, 2);
    const past = new Date(Date.now() - 3_600_000);
    await keeps.seek(past);
    await drops.seek(past);
    assert.equal((await bench.stats(drops)).backlog, 0, 'an acked message that is not retained is gone');
    const again = await drain(bench, keeps, 2);
    assert.deepEqual(again.map(m => `${m.data}`).sort(), ['1', '2']);
  },

  async 'a seek to the future purges, also what a stream holds'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic);
    await bench.publish(topic, ['1', '2', '3']);
    const inbox = bench.stream(subscription, message => `${message.data}` === 'new' && message.ack());
    const held = await inbox.wait(3);
    await subscription.seek(new Date('3000-01-01'));
    assert.equal((await bench.stats(subscription)).backlog, 0);
    held[0].ack();
    held[1].nack();
    await bench.publish(topic, ['new']);
    await inbox.wait(4, SOON);
    await bench.backlogIs(subscription, 0);
    assert.deepEqual(inbox.bodies().slice(3), ['new'], 'what was purged does not come again');
  },

  async 'an ack that follows its seek back in time does not take the message away'(bench) {
    // The client batches acks, so that this one arrives after the seek; its ack id is from before it.
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic, {retainAckedMessages: true, ackDeadlineSeconds: 60});
    const [id] = await bench.publish(topic, ['again']);
    const inbox = bench.stream(subscription, async (message, times) => {
      message.ack();
      if (times === 1) await subscription.seek(message.publishTime);
    });
    const messages = await inbox.wait(2, SOON);
    assert.deepEqual(messages.map(m => m.id), [id, id]);
    await bench.backlogIs(subscription, 0);
  },

  async 'a seek to a snapshot restores what was unacknowledged then'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic);
    await bench.publish(topic, ['acked before']);
    await drain(bench, subscription, 1);
    await bench.publish(topic, ['unacked then']);
    const [snapshot] = await subscription.createSnapshot(bench.name());
    await bench.publish(topic, ['published since']);
    await drain(bench, subscription, 2);
    await snapshot.seek();
    const again = await drain(bench, subscription, 2);
    assert.deepEqual(again.map(m => `${m.data}`).sort(), ['published since', 'unacked then']);
  },

  async 'snapshots are made, listed and deleted'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic);
    const id = bench.name();
    const [snapshot, answer] = await subscription.createSnapshot(id);
    assert.equal(answer.topic, topic.name);
    const days = (Number(answer.expireTime.seconds) - Date.now() / 1000) / 86_400;
    assert(days > 6.9 && days < 7.1, `expires in ${days} days`);
    await refused(Code.ALREADY_EXISTS, () => subscription.createSnapshot(id));
    const [listed] = await bench.pubsub.getSnapshots();
    assert.deepEqual(listed.map(({name}) => name), [snapshot.name]);
    await snapshot.delete();
    await refused(Code.NOT_FOUND, () => subscription.seek(id));
    await refused(Code.NOT_FOUND, () => snapshot.delete());
  },
});
