// Finds the id of this node: the configured id, otherwise the id stored in its folder, otherwise an id from a name provider.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MusterError, reasonOf } from './errors.ts';
import { writeFileAtomic } from './files.ts';
import type { Random } from './random.ts';
import { readOwnFile } from './read-file.ts';

export type NameProvider = 'puuid' | 'uuid' | 'hostname' | 'aws' | 'gcp';

export interface NodeIdOptions {
  /** The role's folder. */
  folder: string;
  configured: string | undefined;
  provider: NameProvider;
  random: Random;
  /** The addresses of the clouds' metadata services, and the time for one request. Tests set them. */
  metadata?: { aws: string; gcp: string; timeoutMs: number };
}

const idPattern = /^[A-Za-z0-9_-]{1,128}$/;
const fileName = 'node.yaml';
const clouds = { aws: 'http://169.254.169.254', gcp: 'http://metadata.google.internal', timeoutMs: 2_000 };
/** Size of the longest answer that is read, in bytes. A token of AWS has about a hundred bytes. */
const maxAnswerBytes = 1024;

/**
 * Returns the id of this node, and stores it for the next start. @throws MusterError `bad_state` for a stored file
 * without an id, `failed` when the provider has none, `not_writable`.
 */
export async function loadNodeId(options: NodeIdOptions): Promise<string> {
  const { folder, configured, provider } = options;
  // When an id is configured, a bad file does not matter, because the stored id is not needed.
  const stored = await readNodeId(folder).catch((error: unknown) => {
    if (configured === undefined) throw error;
    return undefined;
  });
  if (configured === undefined && stored !== undefined) return stored;
  const id = configured ?? (await makeId(options));
  if (!idPattern.test(id)) {
    const source = configured === undefined ? `the name provider "${provider}"` : 'node.id';
    throw new MusterError('failed', `${source} gives no usable node id`, {
      hint: 'an id is 1 to 128 letters, digits, - and _; set node.id, or another node.nameProvider',
    });
  }
  if (id !== stored) await writeNodeId(folder, id);
  return id;
}

/** Stores the id of this node for the next start. @throws MusterError `not_writable` */
export async function writeNodeId(folder: string, id: string): Promise<void> {
  const comment = '# the id of this node; node.id in the configuration overrides it';
  await writeFileAtomic(join(folder, fileName), `${comment}\nid: ${id}\n`);
}

/** Returns the id that is stored in `folder`; undefined when there is none yet. Throws MusterError `bad_state`. */
export async function readNodeId(folder: string): Promise<string | undefined> {
  const path = join(folder, fileName);
  const text = (await readOwnFile(path, 4096))?.data.toString('utf8');
  if (text === undefined) return undefined;
  const id = /^id:[ \t]*["']?([A-Za-z0-9_-]{1,128})["']?[ \t]*$/m.exec(text)?.[1];
  if (id) return id;
  throw new MusterError('bad_state', `${path} does not hold a node id`, {
    hint: 'it needs one line such as "id: node-1"; remove the file to have a new id made',
  });
}

async function makeId({ provider, random, metadata = clouds }: NodeIdOptions): Promise<string> {
  switch (provider) {
    case 'puuid':
      return `n-${random.uuid()}`;
    case 'uuid':
      return random.uuid();
    case 'hostname':
      return hostname().replaceAll('.', '-');
    case 'aws':
      return awsInstanceId(metadata.aws, metadata.timeoutMs);
    case 'gcp':
      return fetchText(`${metadata.gcp}/computeMetadata/v1/instance/id`, metadata.timeoutMs, {
        headers: { 'Metadata-Flavor': 'Google' },
      });
  }
}

// Returns the id of an AWS instance. Instances that require IMDSv2 refuse a request without a token. Older services know no
// tokens.
async function awsInstanceId(base: string, timeoutMs: number): Promise<string> {
  const token = await fetchText(`${base}/latest/api/token`, timeoutMs, {
    method: 'PUT',
    headers: { 'X-aws-ec2-metadata-token-ttl-seconds': '60' },
  }).catch(() => undefined);
  return fetchText(`${base}/latest/meta-data/instance-id`, timeoutMs, {
    headers: token === undefined ? {} : { 'X-aws-ec2-metadata-token': token },
  });
}

async function fetchText(url: string, timeoutMs: number, init: RequestInit): Promise<string> {
  try {
    const answer = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
    if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
    let text = '';
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk).toString('latin1');
      if (text.length > maxAnswerBytes) throw new Error(`the answer is longer than ${maxAnswerBytes} bytes`);
    }
    return text.trim();
  } catch (error) {
    throw new MusterError('failed', `no node id from ${url}: ${reasonOf(error)}`, {
      hint: 'set node.id, or another node.nameProvider',
      cause: error,
    });
  }
}
