// Create, update, detach, IAM: defaults are filled in, masks are kept to, and what cannot be is refused.

const {Code, assert, refused, suite} = require('./bench');

const DAY = 86_400;
const seconds = duration => Number(duration.seconds);

suite('administration', {
  async 'create fills in the defaults'(bench) {
    // REST reference of projects.subscriptions: 10 s, 7 days, 31 days, ACTIVE.
    const topic = await bench.topic();
    const [made, answer] = await topic.createSubscription(bench.name());
    assert.equal(answer.ackDeadlineSeconds, 10);
    assert.equal(seconds(answer.messageRetentionDuration), 7 * DAY);
    assert.equal(seconds(answer.expirationPolicy.ttl), 31 * DAY);
    assert.equal(answer.state, 'ACTIVE');
    assert.equal(answer.topic, topic.name);
    assert.equal(answer.retryPolicy, null);
    assert.equal(answer.deadLetterPolicy, null);
    const [read] = await made.getMetadata();
    assert.deepEqual(read, answer);
  },

  async 'create keeps what was asked for, and refuses what is wrong'(bench) {
    const topic = await bench.topic({labels: {team: 'events'}});
    const [described] = await topic.getMetadata();
    assert.deepEqual(described.labels, {team: 'events'});
    const subscription = await bench.subscription(topic, {
      ackDeadlineSeconds: 600,
      enableMessageOrdering: true,
      enableExactlyOnceDelivery: true,
      filter: 'attributes.tenant_id = "a"',
      labels: {tenant: 'a'},
      messageRetentionDuration: 600,
      retryPolicy: {minimumBackoff: {seconds: 1}, maximumBackoff: {seconds: 2}},
    });
    const [made] = await subscription.getMetadata();
    assert.equal(made.ackDeadlineSeconds, 600);
    assert.equal(made.enableMessageOrdering && made.enableExactlyOnceDelivery, true);
    assert.equal(made.filter, 'attributes.tenant_id = "a"');
    assert.deepEqual(made.labels, {tenant: 'a'});
    assert.equal(seconds(made.messageRetentionDuration), 600);
    assert.equal(seconds(made.retryPolicy.maximumBackoff), 2);

    const [, project, , id] = subscription.name.split('/');
    assert.equal(project, bench.project);
    await refused(Code.ALREADY_EXISTS, () => topic.createSubscription(id));
    await refused(Code.NOT_FOUND, () => bench.pubsub.topic('missing').createSubscription('orphan'));
    for (const fields of [
      {ackDeadlineSeconds: 9},
      {messageRetentionDuration: 599},
      {filter: 'tenant_id = 1'},
      {labels: {Upper: 'x'}},
    ]) {
      await refused(Code.INVALID_ARGUMENT, () => topic.createSubscription('wrong', fields));
    }
  },

  async 'update changes what its mask names and nothing else'(bench) {
    // The client makes the mask of the fields that it is given.
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic, {labels: {a: '1'}, ackDeadlineSeconds: 20});
    const [changed] = await subscription.setMetadata({
      labels: {b: '2'},
      retryPolicy: {minimumBackoff: {seconds: 5}},
    });
    assert.deepEqual(changed.labels, {b: '2'});
    assert.equal(changed.ackDeadlineSeconds, 20);
    assert.equal(seconds(changed.retryPolicy.minimumBackoff), 5);
    assert.equal(seconds(changed.retryPolicy.maximumBackoff), 600);
    const [cleared] = await subscription.setMetadata({labels: {}, retryPolicy: null});
    assert.deepEqual(cleared.labels, {});
    assert.equal(cleared.retryPolicy, null);
    assert.equal(cleared.ackDeadlineSeconds, 20);
    await topic.setMetadata({labels: {c: '3'}, messageRetentionDuration: {seconds: 600}});
    const [described] = await topic.getMetadata();
    assert.deepEqual(described.labels, {c: '3'});
    assert.equal(seconds(described.messageRetentionDuration), 600);

    const message = await refused(Code.INVALID_ARGUMENT, () => subscription.setMetadata({filter: 'attributes:k'}));
    assert.match(message, /the 'filter' field in the Subscription is not mutable/);
    await refused(Code.INVALID_ARGUMENT, () => subscription.setMetadata({enableMessageOrdering: true}));
  },

  async 'detach ends the subscription and drops its backlog'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic);
    await bench.publish(topic, ['dropped']);
    await bench.pubsub.detachSubscription(subscription.name);
    assert.deepEqual(await subscription.detached(), [true]);
    const inbox = bench.stream(subscription);
    await new Promise(resolve => inbox.subscription.once('error', resolve));
    assert.equal(inbox.errors[0].code, Code.FAILED_PRECONDITION);
    assert.equal((await bench.stats(subscription)).backlog, 0);
  },

  async 'a policy is read, written and guarded by its etag'(bench) {
    const topic = await bench.topic();
    const subscription = await bench.subscription(topic);
    const [snapshot] = await subscription.createSnapshot(bench.name());
    for (const {iam, name} of [topic, subscription, {iam: bench.pubsub.topic(topic.name).iam, name: snapshot.name}]) {
      iam.nameable_ = {name}; // the client gives snapshots no `iam` of their own
      const [empty] = await iam.getPolicy();
      assert.deepEqual(empty.bindings, []);
      assert.equal(empty.version, 0);
      assert(empty.etag.length > 0, 'never set, and still guarded');
      const viewers = {role: 'roles/pubsub.viewer', members: ['user:ann@example.com']};
      const [first] = await iam.setPolicy({...empty, bindings: [viewers]});
      assert.deepEqual(first.bindings, [{...viewers, condition: null}]);
      assert.equal(first.version, 1);
      assert.notDeepEqual(first.etag, empty.etag);
      const [read] = await iam.getPolicy();
      assert.deepEqual(read, first);
      const [second] = await iam.setPolicy({...first, bindings: [{...viewers, members: ['allUsers']}]});
      await refused(Code.ABORTED, () => iam.setPolicy(first));
      const [after] = await iam.getPolicy();
      assert.deepEqual(after, second);
    }
    await refused(Code.INVALID_ARGUMENT, () =>
      topic.iam.setPolicy({bindings: [{role: 'roles/pubsub.viewer', members: ['ann@example.com']}]}),
    );
  },

  async 'permissions are tested on a resource that is there'(bench) {
    const topic = await bench.topic();
    const [granted] = await topic.iam.testPermissions(['pubsub.topics.publish', 'pubsub.topics.get']);
    assert.deepEqual(granted, {'pubsub.topics.publish': true, 'pubsub.topics.get': true});
    await refused(Code.NOT_FOUND, () => bench.pubsub.topic('missing').iam.testPermissions(['pubsub.topics.get']));
  },
});
