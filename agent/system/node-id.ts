// A node's id: configured, else the one kept in its folder, else made by a name provider and then kept.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MusterError, reasonOf } from './errors.ts';
import { readBounded, writeFileAtomic } from './files.ts';
import type { Random } from './random.ts';

export type NameProvider = 'puuid' | 'uuid' | 'hostname' | 'aws' | 'gcp';

export interface NodeIdOptions {
  /** The role's own folder. */
  folder: string;
  configured: string | undefined;
  provider: NameProvider;
  random: Random;
  /** Where the clouds answer, and how many milliseconds one may take; other ones in tests. */
  metadata?: { aws: string; gcp: string; deadline: number };
}

const pattern = /^[A-Za-z0-9_-]{1,128}$/;
const fileName = 'node.yaml';
const clouds = { aws: 'http://169.254.169.254', gcp: 'http://metadata.google.internal', deadline: 2_000 };
/** The longest text that can be of use: a token of AWS has some hundred bytes. */
const longestAnswer = 1024;

/**
 * The id of this node, kept for the next start.
 * @throws MusterError `bad_state` for a file without an id, `failed` when the provider gives none, `not_writable`.
 */
export async function loadNodeId(options: NodeIdOptions): Promise<string> {
  const { folder, configured, provider } = options;
  const path = join(folder, fileName);
  // What is configured counts, whatever stands in the file.
  const kept = await readNodeId(folder).catch((error: unknown) => {
    if (configured === undefined) throw error;
    return undefined;
  });
  if (configured === undefined && kept !== undefined) return kept;
  const id = configured ?? (await provide(options));
  if (!pattern.test(id)) {
    const source = configured === undefined ? `the name provider "${provider}"` : 'node.id';
    throw new MusterError('failed', `${source} gives no usable node id`, {
      hint: 'an id is 1 to 128 letters, digits, - and _; set node.id, or another node.nameProvider',
    });
  }
  if (id !== kept)
    await writeFileAtomic(
      path,
      `# the id of this node; node.id in the configuration overrides it\nid: ${id}\n`,
    );
  return id;
}

/** The id that is kept in `folder`; undefined when there is none yet. Throws MusterError `bad_state`. */
export async function readNodeId(folder: string): Promise<string | undefined> {
  const path = join(folder, fileName);
  const text = (await readBounded(path, 4096))?.toString('utf8');
  if (text === undefined) return undefined;
  const id = /^id:[ \t]*["']?([A-Za-z0-9_-]{1,128})["']?[ \t]*$/m.exec(text)?.[1];
  if (id) return id;
  throw new MusterError('bad_state', `${path} does not hold a node id`, {
    hint: 'it needs one line such as "id: node-1"; remove the file to have a new id made',
  });
}

async function provide({ provider, random, metadata = clouds }: NodeIdOptions): Promise<string> {
  switch (provider) {
    case 'puuid':
      return `n-${random.uuid()}`;
    case 'uuid':
      return random.uuid();
    case 'hostname':
      return hostname().replaceAll('.', '-');
    case 'aws':
      return awsInstanceId(metadata.aws, metadata.deadline);
    case 'gcp':
      return ask(`${metadata.gcp}/computeMetadata/v1/instance/id`, metadata.deadline, {
        headers: { 'Metadata-Flavor': 'Google' },
      });
  }
}

// Instances that require IMDSv2 refuse a request without a token; older services know no tokens.
async function awsInstanceId(base: string, deadline: number): Promise<string> {
  const token = await ask(`${base}/latest/api/token`, deadline, {
    method: 'PUT',
    headers: { 'X-aws-ec2-metadata-token-ttl-seconds': '60' },
  }).catch(() => undefined);
  return ask(`${base}/latest/meta-data/instance-id`, deadline, {
    headers: token === undefined ? {} : { 'X-aws-ec2-metadata-token': token },
  });
}

async function ask(url: string, deadline: number, init: RequestInit): Promise<string> {
  try {
    const answer = await fetch(url, { ...init, redirect: 'error', signal: AbortSignal.timeout(deadline) });
    if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
    let text = '';
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk).toString('latin1');
      if (text.length > longestAnswer) throw new Error(`the answer is longer than ${longestAnswer} bytes`);
    }
    return text.trim();
  } catch (error) {
    throw new MusterError('failed', `no node id from ${url}: ${reasonOf(error)}`, {
      hint: 'set node.id, or another node.nameProvider',
      cause: error,
    });
  }
}
