// Tests the facts of the cloud: each provider's questions, answers of somebody else, and the time limit.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { readCloudFacts } from '../../agent/host/cloud.ts';
import { type Inputs, type MetadataRequest, wrapInputs } from '../../agent/host/inputs/inputs.ts';
import { askMetadata } from '../../agent/host/inputs/metadata.ts';
import { surveyMachine } from '../../agent/host/machine.ts';
import { fakeMachine } from './machines.ts';

const service = 'http://169.254.169.254';
const token = `metadata PUT ${service}/latest/api/token`;
const aws = (path: string) => `metadata GET ${service}/latest/meta-data/${path}`;
const gcp = (path: string) => `metadata GET ${service}/computeMetadata/v1/instance/${path}`;
const azure = (name: string) =>
  `metadata GET ${service}/metadata/instance/compute/${name}?api-version=2021-02-01&format=text`;

const read = async (answers: Record<string, string>) => {
  const { took, readAt, ...facts } =
    (await readCloudFacts(fakeMachine({ answers, took: { [token]: 3 } }))) ?? {};
  return { facts, took, readAt };
};

test('the facts of AWS are read with a token', async () => {
  const { facts, took, readAt } = await read({
    [token]: 'AQAEAH-token==',
    [aws('instance-id')]: 'i-0123456789abcdef0',
    [aws('instance-type')]: 'p5.48xlarge',
    [aws('placement/region')]: 'us-east-1',
    [aws('placement/availability-zone')]: 'us-east-1b',
  });
  assert.deepEqual(facts, {
    provider: 'aws',
    instanceId: 'i-0123456789abcdef0',
    type: 'p5.48xlarge',
    region: 'us-east-1',
    zone: 'us-east-1b',
  });
  assert.deepEqual([took, readAt], [3, '2026-01-01T00:00:00.000Z']);
});

test('the facts of GCP are the last parts of paths', async () => {
  const { facts } = await read({
    [gcp('id')]: '4567890123456789012',
    [gcp('machine-type')]: 'projects/123456789/machineTypes/a3-highgpu-8g',
    [gcp('zone')]: 'projects/123456789/zones/us-central1-a',
  });
  assert.deepEqual(facts, {
    provider: 'gcp',
    instanceId: '4567890123456789012',
    type: 'a3-highgpu-8g',
    region: 'us-central1',
    zone: 'us-central1-a',
  });
});

test('the facts of Azure may lack a zone', async () => {
  const { facts } = await read({
    [azure('vmId')]: '02aab8a4-74ef-476e-8182-f6d2ba4166a6',
    [azure('vmSize')]: 'Standard_ND96asr_v4',
    [azure('location')]: 'westeurope',
    [azure('zone')]: '',
  });
  assert.deepEqual(facts, {
    provider: 'azure',
    instanceId: '02aab8a4-74ef-476e-8182-f6d2ba4166a6',
    type: 'Standard_ND96asr_v4',
    region: 'westeurope',
    zone: undefined,
  });
});

test('the metadata service is among the sources only when it is asked, with its fault', async () => {
  const cloudNotes = async (answers: Record<string, unknown>, cloud: boolean) =>
    (await surveyMachine(fakeMachine({ answers }), { cloud })).sources.filter(
      ({ source }) => source === 'metadata service',
    );
  assert.deepEqual(await cloudNotes({}, false), []);
  const fault = { kind: 'absent', reason: 'does not answer as that of AWS, GCP or Azure' };
  assert.deepEqual(await cloudNotes({}, true), [{ source: 'metadata service', took: 0, fault }]);
  const answers = { [`metadata GET ${service}/computeMetadata/v1/instance/id`]: '42' };
  assert.deepEqual(await cloudNotes(answers, true), [
    { source: 'metadata service', took: 0, fault: undefined },
  ]);
});

test('without an answer there is no cloud', async () => {
  assert.deepEqual((await read({})).facts, {});
});

test('a web page is neither an answer nor a token', async () => {
  const page = '<html>\n<body>Please log in</body></html>';
  assert.deepEqual((await read({ [gcp('id')]: page, [azure('vmId')]: page, [token]: page })).facts, {});
  const { facts } = await read({
    [azure('vmId')]: 'vm-1',
    [azure('vmSize')]: `Standard\u001b[31m\n${'x'.repeat(999)}`,
  });
  assert.deepEqual(facts, {
    provider: 'azure',
    instanceId: 'vm-1',
    type: undefined,
    region: undefined,
    zone: undefined,
  });
});

test('AWS is asked nothing more without a token', async () => {
  const asked: MetadataRequest[] = [];
  const inputs: Inputs = {
    ...wrapInputs(fakeMachine({}), ask => ask()),
    async metadata(request) {
      asked.push(request);
      return { fault: { kind: 'absent', reason: 'answered with status 403' }, took: 1 };
    },
  };
  await readCloudFacts(inputs);
  assert.deepEqual(
    asked.filter(({ url }) => url.includes('/latest/')).map(({ method, url }) => [method, url]),
    [['PUT', `${service}/latest/api/token`]],
  );
});

/** Starts a metadata service on this machine, and returns its URL. */
async function listening(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
) {
  const server = createServer(answer);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const get = (url: string, timeoutMs = 30_000) =>
  askMetadata({ method: 'GET', url, headers: { Metadata: 'true' } }, timeoutMs);

test('a request has its headers, and the answer is returned', async t => {
  const url = await listening(t, ({ method, headers, url: path }, response) => {
    response.end(`${method} ${path} ${headers.metadata} ${headers['content-length']}`);
  });
  assert.deepEqual(await get(`${url}/a?b=c`), { value: 'GET /a?b=c true 0' });
});

test('an answer with another status than 200 counts as absent, and no redirect is followed', async t => {
  for (const status of [301, 401, 404, 500]) {
    const url = await listening(t, (_, response) => {
      response.writeHead(status, { location: '/elsewhere' }).end('words');
    });
    assert.deepEqual(await get(url), {
      fault: { kind: 'absent', reason: `answered with status ${status}` },
    });
  }
});

test('a service that hangs before or in its answer is given up in time', async t => {
  const silent = await listening(t, () => undefined);
  assert.deepEqual(await get(silent, 50), {
    fault: { kind: 'absent', reason: 'did not answer within 0.05 s' },
  });
  const half = await listening(t, (_, response) => {
    response.writeHead(200);
    response.write('half');
  });
  assert.deepEqual(await get(half, 50), {
    fault: { kind: 'absent', reason: 'did not answer within 0.05 s' },
  });
});

test('an answer that is too long or incomplete is a fault', async t => {
  const babble = await listening(t, (_, response) => response.end('x'.repeat(100_000)));
  assert.deepEqual(await get(babble), { fault: { kind: 'failed', reason: 'sent more than 4096 bytes' } });
  const broken = await listening(t, (_, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half', () => response.destroy());
  });
  const { fault } = (await get(broken)) as { fault?: { kind: string } };
  assert.equal(fault?.kind, 'failed');
});

test('a refused connection counts as absent', async () => {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  const { fault } = (await get(`http://127.0.0.1:${port}`)) as { fault?: { kind: string } };
  assert.equal(fault?.kind, 'absent');
});
