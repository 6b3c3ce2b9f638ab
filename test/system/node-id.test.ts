// A node's id is configured, stored or made by a provider, and stays the same. Clouds may answer badly or not at all.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { MusterError } from '../../agent/system/errors.ts';
import { loadNodeId, type NodeIdOptions } from '../../agent/system/node-id.ts';
import { systemRandom } from '../../agent/system/random.ts';
import { freePort } from '../support/listener.ts';
import { steadyRandom } from '../support/steady-random.ts';
import { newFolder } from '../support/temporary.ts';
import { asUnprivileged, unprivilegedFolder } from '../support/unprivileged.ts';

const fileOf = (folder: string) => join(folder, 'node.yaml');

async function load(options: Partial<NodeIdOptions> = {}): Promise<string> {
  const folder = options.folder ?? (await newFolder());
  return loadNodeId({ configured: undefined, provider: 'puuid', random: systemRandom, ...options, folder });
}

async function fails(work: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof MusterError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.ok(error.hint);
    return true;
  });
}

describe('an id made at the first start', () => {
  const uuid = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
  test('puuid is n- and a random UUID', async () => {
    assert.match(await load(), new RegExp(`^n-${uuid}$`));
  });
  test('uuid is a random UUID', async () => {
    assert.match(await load({ provider: 'uuid' }), new RegExp(`^${uuid}$`));
  });
  test('hostname is the name of the host, without dots', async () => {
    assert.equal(await load({ provider: 'hostname' }), hostname().replaceAll('.', '-'));
  });
});

describe('a stored id', () => {
  test('stays the same at the next start, whatever the provider would return then', async () => {
    const folder = await newFolder();
    const id = await load({ folder });
    assert.equal(await load({ folder }), id);
    assert.equal(await load({ folder, provider: 'hostname' }), id);
    assert.equal((await stat(fileOf(folder))).mode & 0o777, 0o600);
    assert.match(await readFile(fileOf(folder), 'utf8'), new RegExp(`^#.*\nid: ${id}\n$`));
  });

  test('is replaced by a configured id, which is stored from then on', async () => {
    const folder = await newFolder();
    await load({ folder });
    assert.equal(await load({ folder, configured: 'node-1' }), 'node-1');
    assert.equal(await load({ folder }), 'node-1');
  });

  test('is read from a file as people edit it', async () => {
    const folder = await newFolder();
    for (const text of [
      'id: node-7',
      'id:\tnode-7\r\n',
      '# mine\n\nid: "node-7"\nother: x\n',
      "id: 'node-7'  \n",
    ]) {
      await writeFile(fileOf(folder), text);
      assert.equal(await load({ folder }), 'node-7', JSON.stringify(text));
    }
  });

  test('is not replaced without a message when the file holds no id', async () => {
    const folder = await newFolder();
    for (const text of [
      '',
      'id:',
      'id: a.b',
      'id: a b',
      `id: ${'x'.repeat(129)}`,
      ' id: x',
      'name: x',
      '\0\0\0\0',
    ]) {
      await writeFile(fileOf(folder), text);
      await fails(load({ folder }), 'bad_state', /node\.yaml does not hold a node id$/);
      assert.equal(await readFile(fileOf(folder), 'utf8'), text);
    }
    await writeFile(fileOf(folder), 'x'.repeat(5_000));
    await assert.rejects(load({ folder }), { code: 'bad_state', message: /larger than 4096 bytes$/ });
  });

  test('may be in a bad file when an id is configured', async () => {
    const folder = await newFolder();
    await writeFile(fileOf(folder), 'torn');
    assert.equal(await load({ folder, configured: 'node-1' }), 'node-1');
    assert.equal(await load({ folder }), 'node-1');
  });

  test('is enough when the folder cannot be written, but a new id cannot be made there', async () => {
    const folder = await unprivilegedFolder();
    after(() => rm(folder, { recursive: true, force: true }));
    await asUnprivileged(async () => {
      const id = await load({ folder });
      await chmod(folder, 0o500);
      assert.equal(await load({ folder }), id);
      assert.equal(await load({ folder, configured: id }), id);
      await fails(load({ folder, configured: 'other' }), 'not_writable', /node\.yaml: permission denied$/);
      await chmod(folder, 0o700);
    });
  });

  test('does not exist after a start that could not make an id', async () => {
    const folder = await newFolder();
    const random = { ...steadyRandom(), uuid: () => 'not.an.id' };
    await fails(load({ folder, random }), 'failed', /"puuid" gives no usable node id$/);
    await fails(load({ folder, configured: '../x' }), 'failed', /^node\.id gives no usable node id$/);
    await assert.rejects(readFile(fileOf(folder)), { code: 'ENOENT' });
  });
});

describe('an id from a cloud', () => {
  type Handler = (request: IncomingMessage, response: ServerResponse) => void;
  let handle: Handler = (_, response) => void response.end();
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    handle(request, response);
  });

  /** The time for a request that is answered: long, because a busy machine answers late. */
  const enoughMs = 60_000;
  interface Asking {
    folder?: string;
    timeoutMs?: number;
  }

  /** Asks a metadata service that behaves as `handler`. */
  async function ask(
    provider: 'aws' | 'gcp',
    handler: Handler,
    { timeoutMs = enoughMs, ...options }: Asking = {},
  ): Promise<string> {
    if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === 'object' && address?.port}`;
    handle = handler;
    seen.length = 0;
    return load({ provider, metadata: { aws: url, gcp: url, timeoutMs }, ...options });
  }
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const token = 'AQAEAJ2mRp==';
  const imdsV2: Handler = (request, response) => {
    if (request.method === 'PUT' && request.url === '/latest/api/token') {
      response.statusCode = request.headers['x-aws-ec2-metadata-token-ttl-seconds'] ? 200 : 400;
      response.end(token);
    } else {
      response.statusCode = request.headers['x-aws-ec2-metadata-token'] === token ? 200 : 401;
      response.end('i-0123456789abcdef0');
    }
  };

  test('AWS answers a request with a token', async () => {
    assert.equal(await ask('aws', imdsV2), 'i-0123456789abcdef0');
    assert.deepEqual(seen, ['PUT /latest/api/token', 'GET /latest/meta-data/instance-id']);
  });

  test('AWS answers without a token when the service knows no tokens or refuses to give one', async () => {
    const refusals: [Handler, number][] = [
      [(_, response) => void response.writeHead(404).end(), enoughMs],
      [(_, response) => void response.socket?.destroy(), enoughMs],
      // The same time is enough for the request that is answered.
      [() => undefined, 2_000],
    ];
    for (const [refuse, timeoutMs] of refusals) {
      const old: Handler = (request, response) => {
        if (request.method === 'PUT') refuse(request, response);
        else if (request.headers['x-aws-ec2-metadata-token'] === undefined) response.end('i-old\n');
      };
      assert.equal(await ask('aws', old, { timeoutMs }), 'i-old');
    }
  });

  test('Google answers a request with the header that it requires', async () => {
    const gcp: Handler = (request, response) => {
      const known = request.headers['metadata-flavor'] === 'Google';
      response.writeHead(known ? 200 : 403).end(known ? '4520031799277581759' : '');
    };
    assert.equal(await ask('gcp', gcp), '4520031799277581759');
    assert.deepEqual(seen, ['GET /computeMetadata/v1/instance/id']);
  });

  test('an answer in pieces is read to its end', async () => {
    const pieces: Handler = (_, response) => {
      response.write('i-01');
      setTimeout(() => response.end('23'), 20);
    };
    assert.equal(await ask('gcp', pieces), 'i-0123');
  });

  test('an id is stored, so the next start needs no cloud', async () => {
    const folder = await newFolder();
    assert.equal(await ask('gcp', (_, response) => void response.end('42'), { folder }), '42');
    assert.equal(await ask('gcp', () => assert.fail('asked again'), { folder }), '42');
  });

  const bad: [string, Handler, RegExp][] = [
    ['hangs', () => undefined, /no node id from http.*timeout/],
    [
      'hangs in the middle of its answer',
      (_, response) => void response.write('i-'),
      /no node id from .*timeout/,
    ],
    ['closes the connection', (_, response) => void response.socket?.destroy(), /no node id from /],
    [
      'fails',
      (_, response) => void response.writeHead(500).end('i-1'),
      /no node id from .*: HTTP status 500$/,
    ],
    ['sends us elsewhere', sendElsewhere, /no node id from /],
    ['says nothing', (_, response) => void response.end(), /"gcp" gives no usable node id/],
    ['talks HTML', (_, response) => void response.end('<html>login</html>'), /"gcp" gives no usable node id/],
    [
      'talks binary',
      (_, response) => void response.end(Buffer.from([0, 255, 254])),
      /"gcp" gives no usable node id/,
    ],
    ['names a path', (_, response) => void response.end('../../etc/passwd'), /"gcp" gives no usable node id/],
    ['is too long', (_, response) => void response.end('x'.repeat(129)), /"gcp" gives no usable node id/],
    ['never stops', (_, response) => pour(response), /no node id from .*longer than 1024 bytes$/],
  ];
  for (const [name, handler, message] of bad) {
    test(`a service that ${name}`, async () => {
      const folder = await newFolder();
      const timeoutMs = message.source.includes('timeout') ? 250 : enoughMs;
      await fails(ask('gcp', handler, { folder, timeoutMs }), 'failed', message);
      await assert.rejects(readFile(fileOf(folder)), { code: 'ENOENT' });
    });
  }

  test('a text that is not a token is not sent to the service', async () => {
    const handler: Handler = (request, response) =>
      void response.end(request.method === 'PUT' ? 'a\r\nX-Evil: 1' : 'i-1');
    await fails(ask('aws', handler), 'failed', /no node id from .*instance-id/);
    assert.deepEqual(seen, ['PUT /latest/api/token']);
  });

  test('a missing service is an error', async () => {
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const metadata = { aws: nobody, gcp: nobody, timeoutMs: enoughMs };
    await fails(load({ provider: 'aws', metadata }), 'failed', /no node id from .*ECONNREFUSED/);
  });
});

function sendElsewhere(request: IncomingMessage, response: ServerResponse): void {
  if (request.url === '/elsewhere') response.end('i-1');
  else response.writeHead(302, { location: '/elsewhere' }).end();
}

function pour(response: ServerResponse): void {
  response.on('error', () => undefined);
  const more = () => {
    while (!response.destroyed && response.write('x'.repeat(65_536)));
  };
  response.on('drain', more);
  more();
}
