// The client asks orchestrators of Bacalhau, each release with its own refusals and gaps: a call works, or says in one sentence
// what that orchestrator cannot do.
import assert from 'node:assert/strict';
import { after, before, describe, it, test } from 'node:test';
import { ApiClient } from '../../agent/api/client.ts';
import { openList } from '../../agent/cli/commands/node/open-list.ts';
import { noteOf } from '../../agent/output/node-note.ts';
import { type DecisionAction, decisionActions } from '../../agent/protocol/http.ts';
import type { NodeFilter } from '../../agent/protocol/node-filter.ts';
import { cluster, serve } from '../requester/api/api-fixture.ts';
import { ApiPeer } from '../support/bacalhau/api-peer.ts';
import { facts, releases } from '../support/bacalhau/releases.ts';
import { answering, refusal } from './answering-server.ts';

const everyone: NodeFilter = { approvals: [], statuses: [], conditions: [] };
const decision = (Action: DecisionAction) => ({ Action, Message: '', Actor: 'a' });

for (const release of releases) {
  describe(`an orchestrator of Bacalhau ${release}`, () => {
    let peer: ApiPeer;
    let client: ApiClient;
    const { hasConnectionState } = facts[release].api;

    before(async () => {
      peer = await ApiPeer.start(release, ['node-1', 'node-10', 'gpu-1', 'gpu-2', 'silent', 'gone']);
      peer.set('silent', { heardSecondsAgo: 7_200 });
      client = new ApiClient({ host: '127.0.0.1', port: peer.port });
    });
    after(() => peer.release());

    const refused = async (work: Promise<unknown>): Promise<[code: string, text: string]> => {
      const { code, message } = await refusal(work);
      return [code, message];
    };
    const cannot = (why: string): [string, string] => [
      'unsupported',
      `http://127.0.0.1:${peer.port} is an orchestrator of Bacalhau v${release}, which ${why}`,
    ];

    it('lists its nodes, with a note for a silent one where it says when it heard it', async () => {
      const { nodes, facts: look } = await openList(client, {}, everyone);
      const notes = (await Array.fromAsync(nodes)).map(node => [node.Info.NodeID, noteOf(node, look)]);
      const silent = hasConnectionState ? 'silent for 2h' : '';
      assert.deepEqual(
        notes.filter(([, note]) => note),
        silent ? [['silent', silent]] : [],
      );
      assert.equal(notes.length, 7);
      assert.equal(client.orchestrator?.version, `v${release}`);
    });

    it('is filtered also by what it does not know, or says so', async () => {
      const list = async (query: Record<string, string>, filter: Partial<NodeFilter>) => {
        const { nodes } = await openList(client, query, { ...everyone, ...filter });
        return (await Array.fromAsync(nodes)).map(({ Info }) => Info.NodeID);
      };
      const both = { 'filter-approval': 'pending,approved', limit: '3' };
      const approvals = ['pending', 'approved'];
      assert.deepEqual(await list(both, { approvals }), ['orchestrator', 'node-1', 'node-10']);
      const healthy = await list({ 'filter-status': 'healthy' }, { statuses: ['healthy'] });
      assert.deepEqual([healthy.includes('gpu-1'), healthy.includes('silent')], [true, false]);
      assert.deepEqual(
        await refused(list({}, { conditions: ['GpuMissing'] })),
        cannot('knows no conditions of nodes'),
      );
      assert.deepEqual(
        await refused(list({}, { statuses: ['unknown'] })),
        cannot('knows only nodes that are connected or disconnected'),
      );
      const silent = list({ 'silent-for': '1h' }, { silentForMs: 3_600_000 });
      if (hasConnectionState) assert.deepEqual(await silent, ['silent']);
      else assert.deepEqual(await refused(silent), cannot('does not say when it heard a node'));
    });

    it('shows a node by its id or a beginning of it, also when other ids begin with the whole id', async () => {
      const idOf = async (name: string) => (await client.node(name)).Info.NodeID;
      assert.deepEqual(await Promise.all(['gpu-1', 'sil', 'node-1'].map(idOf)), [
        'gpu-1',
        'silent',
        'node-1',
      ]);
      assert.deepEqual(await refused(client.node('nobody')), ['not_found', 'node not found: nobody']);
      assert.deepEqual(await refused(client.node('gpu-')), [
        'ambiguous',
        'multiple nodes found for prefix: gpu-, matching IDs: [gpu-1 gpu-2]',
      ]);
    });

    it('decides, and its refusals are errors whatever their status', async () => {
      for (const [action, membership, already] of [
        ['approve', 'APPROVED', 'already approved'],
        ['reject', 'REJECTED', 'already rejected'],
      ] as const) {
        await client.decide('gpu-1', decision(action));
        assert.equal(peer.membership('gpu-1'), membership);
        const again = await refused(client.decide('gpu-1', decision(action)));
        assert.deepEqual(again, ['conflict', `node gpu-1 ${already}`]);
      }
      await client.decide('gone', decision('delete'));
      assert.equal(peer.membership('gone'), undefined);
      const again = await refused(client.decide('gone', decision('delete')));
      assert.deepEqual(again, ['not_found', 'node not found: gone']);
    });

    it('leaves in doubt a decision whose answer was lost, and names the command that tells', async () => {
      peer.set('silent', { isUnanswered: true });
      const { code, hint } = await refusal(client.decide('silent', decision('reject')));
      assert.deepEqual([code, hint], ['unreachable', 'find out with: muster node describe silent']);
      assert.equal((await client.node('silent')).Membership, 'REJECTED');
      peer.set('silent', { isUnanswered: false });
    });

    it('decides about whole ids only, and never about another node', async () => {
      for (const name of ['silen', 'gpu-']) {
        const [code, text] = await refused(client.decide(name, decision('delete')));
        assert.deepEqual([code, text], ['not_found', `node not found: ${name}`]);
      }
      assert.deepEqual(await refused(client.decide('node-1', decision('delete'))), [
        'ambiguous',
        `Bacalhau v${release} cannot tell node-1 from the other ids that begin so`,
      ]);
      assert.deepEqual(
        ['silent', 'gpu-1', 'gpu-2', 'node-1', 'node-10'].filter(id => peer.membership(id) === undefined),
        [],
      );
    });

    it('is not asked for what it cannot do, and the error says what that is', async () => {
      const before = peer.asked.length;
      for (const action of decisionActions.filter(each => !/^(approve|reject|delete|undelete)$/.test(each))) {
        const [code, text] = await refused(client.decide('gpu-2', decision(action)));
        assert.deepEqual([code, text.startsWith(cannot('')[1])], ['unsupported', true], `${action}: ${text}`);
      }
      const known = { ...decision('approve'), Fingerprint: 'BDWE-AMSB-5ZAN-P4NC' };
      assert.deepEqual(await refused(client.decide('gpu-2', known)), cannot('checks no keys of nodes'));
      const banned = { ...decision('delete'), Ban: true };
      assert.deepEqual(await refused(client.decide('gpu-2', banned)), cannot('cannot refuse a key for ever'));
      assert.deepEqual(
        peer.asked.slice(before).filter(text => text.startsWith('PUT')),
        [],
      );
      assert.equal(peer.membership('gpu-2'), 'PENDING');
      const back = client.decide('gone', decision('undelete'));
      assert.deepEqual(await refused(back), cannot('keeps nothing of a deleted node'));
    });

    it('says of each thing that only a requester of muster has that it does not have it', async () => {
      const events = Array.fromAsync(client.events({}, { onUnreadable: () => undefined }));
      assert.deepEqual(await refused(events), cannot('keeps no events'));
      for (const [work, why] of [
        [client.goneNodes(), 'keeps nothing of a deleted node'],
        [client.lostNodes(), 'cannot mend its store'],
        [client.operators.list(), 'knows no operators'],
        [client.joinCodes.list(), 'knows no join codes'],
        [client.listeners.list(), 'knows no listeners'],
        [client.bans.list(), 'bans no keys'],
        [client.bacalhau.access('a'), 'tells nobody the token of its nodes'],
      ] as const)
        assert.deepEqual(await refused(work), cannot(why));
    });
  });
}

test('an orchestrator with users of its own says no version, and is not taken for a requester that wants a token', async t => {
  const body = {
    Status: 401,
    Message: 'Request Unauthorized',
    RequestID: '',
    Code: 'Unauthorized',
    Component: 'Authorizer',
    Hint: 'Unauthorized principal. Event has been recorded.',
    Details: { reason: 'Missing Authorization header' },
  };
  const { port } = await answering(t, (_, response) => response.writeHead(401).end(JSON.stringify(body)));
  const { code, message, hint } = await refusal(new ApiClient({ host: '127.0.0.1', port }).nodes({}));
  assert.equal(code, 'not_allowed');
  assert.match(message, /seems to be an orchestrator of Bacalhau, and answers only users of its own$/);
  assert.equal(hint, "use Bacalhau's command line there: muster has no login for it");
});

test("a requester of muster is not taken for an orchestrator, although it sends Bacalhau's headers", async t => {
  const { port } = await serve(t, cluster());
  const client = new ApiClient({ host: '127.0.0.1', port });
  await client.nodes({});
  assert.equal(client.orchestrator, undefined);
  await openList(client, {}, everyone);
  assert.equal(client.orchestrator, undefined);
  assert.deepEqual((await refusal(client.node('nobody'))).code, 'not_found');
  assert.equal(client.orchestrator, undefined);
  await Array.fromAsync(client.events({}, { onUnreadable: () => undefined }));
  assert.equal(client.orchestrator, undefined);
});
