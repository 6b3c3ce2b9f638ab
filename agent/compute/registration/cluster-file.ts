// Keeps what this node knows of its cluster: where its brokers are, which certificate authorities may vouch for them, and
// the join code until it is used.
import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as v from 'valibot';
import { pinPattern } from '../../protocol/http-authorities.ts';
import { codeIdOf, type JoinCode } from '../../protocol/join-code.ts';
import { parseJson } from '../../protocol/json.ts';
import { validate } from '../../protocol/schema.ts';
import { MusterError } from '../../system/errors.ts';
import { closeToOthers, writeFileAtomic } from '../../system/files.ts';
import type { LimitedLog } from '../../system/limited-log.ts';
import { readOwnFile } from '../../system/read-file.ts';
import { rememberSecret } from '../../system/secrets.ts';
import { StateFile } from '../../system/state-file.ts';
import { caPinOf } from '../../transport/ca-pin.ts';

export const clusterFileName = 'cluster.json';

const texts = (count: number, length: number) =>
  v.pipe(v.array(v.pipe(v.string(), v.maxLength(length))), v.maxLength(count));
const id = v.pipe(v.string(), v.maxLength(128));
/** Number of pins and of certificates that are kept. The oldest are forgotten. */
const maxAuthorities = 8;

const schema = v.object({
  version: v.literal(1),
  cluster: id,
  servers: texts(64, 512),
  /** The SHA-256 of the public keys of the certificate authorities, in base64url. */
  pins: texts(maxAuthorities, 64),
  /** The certificate authorities that were seen and had one of the pins, in PEM. */
  cas: texts(maxAuthorities, 5_000),
  /** The token of the code that is not used yet. */
  code: v.optional(id),
  /** The id of the last code that was taken, also after it was used. */
  codeId: v.optional(id),
  /** The id of the code with which this node came in. */
  usedCode: v.optional(id),
});
export type KnownCluster = Omit<v.InferOutput<typeof schema>, 'version'>;

/**
 * Reads the file in the agent's folder; undefined when there is none. Access of other users is removed. @throws
 * MusterError `bad_state` when it cannot be read, because without it the node would look for another cluster;
 * `not_writable`.
 */
export async function readClusterFile(folder: string): Promise<KnownCluster | undefined> {
  const path = join(folder, clusterFileName);
  const file = await readOwnFile(path);
  if (!file) return undefined;
  const known = parseClusterFile(path, file.data);
  if (file.info.mode & 0o077) await closeToOthers(path);
  return known;
}

/** Reads the file as `readClusterFile` does, and changes nothing. The doctor calls it. Throws MusterError `bad_state`. */
export async function inspectClusterFile(folder: string): Promise<KnownCluster | undefined> {
  const path = join(folder, clusterFileName);
  const file = await readOwnFile(path);
  return file && parseClusterFile(path, file.data);
}

function parseClusterFile(path: string, data: Buffer): KnownCluster {
  try {
    const { version: _, ...known } = validate(schema, parseJson(data));
    if (known.code) rememberSecret(known.code);
    return known;
  } catch (error) {
    throw new MusterError(
      'bad_state',
      `${path} cannot be read: it does not say which cluster this node is in`,
      {
        hint: 'restore it from a backup, or remove it and join again with a new code: muster agent join',
        cause: error,
      },
    );
  }
}

/** Writes the file. Throws MusterError `not_writable`. */
export async function writeClusterFile(folder: string, known: KnownCluster): Promise<void> {
  await writeFileAtomic(
    join(folder, clusterFileName),
    `${JSON.stringify({ version: 1, ...known }, null, 2)}\n`,
  );
}

/**
 * Returns what the node knows after it was given a code. A code of the same cluster adds to what is known; one of another
 * cluster replaces it. A code that this node has used already changes nothing.
 */
export function withCode(known: KnownCluster | undefined, code: JoinCode): KnownCluster {
  const codeId = codeIdOf(code.token);
  rememberSecret(code.token);
  const before = known?.cluster === code.cluster ? known : undefined;
  if (before && before.usedCode === codeId) return before;
  return {
    cluster: code.cluster,
    servers: [...code.servers],
    pins: [...new Set([...code.pins, ...(before?.pins ?? [])])].slice(0, maxAuthorities),
    cas: before?.cas ?? [],
    code: code.token,
    codeId,
    ...(before?.usedCode === undefined ? {} : { usedCode: before.usedCode }),
  };
}

/** Returns what the node knows after its cluster has admitted it: the code is dropped, and only its id is kept. */
export function withoutCode({ code, ...known }: KnownCluster): KnownCluster {
  return code === undefined || known.codeId === undefined ? known : { ...known, usedCode: known.codeId };
}

/**
 * Returns what the node knows after its requester named all CAs that are valid, by their pins. A CA that is not among them
 * is not trusted any more. Without a CA before, the node reaches its broker without TLS, and nothing changes.
 */
export function withPins(known: KnownCluster, pins: readonly string[]): KnownCluster {
  const valid = [...new Set(pins)].slice(0, maxAuthorities);
  if (known.pins.length === 0 || valid.length === 0 || isDeepStrictEqual(valid, known.pins)) return known;
  const cas = known.cas.filter(ca => valid.includes(caPinOf(new X509Certificate(ca))));
  return { ...known, pins: valid, cas };
}

/**
 * Returns what the node knows after somebody on its machine named a CA to trust. @throws MusterError `not_found` when it
 * knows no cluster; `conflict` when it reaches its broker without TLS.
 */
export function withTrusted(known: KnownCluster | undefined, pin: string): KnownCluster {
  if (!pinPattern.test(pin)) throw new MusterError('usage', 'this is no pin of a CA');
  if (!known) {
    throw new MusterError('not_found', 'this node knows no cluster whose CA it could trust', {
      hint: 'give it a join code: muster agent join',
    });
  }
  if (known.pins.length === 0)
    throw new MusterError('conflict', 'this node reaches its broker without TLS, and needs no CA');
  return { ...known, pins: [...new Set([pin, ...known.pins])].slice(0, maxAuthorities) };
}

/** Returns what the node knows after it saw a certificate authority that has one of the pins. `ca` is in PEM. */
export function withAuthority(known: KnownCluster, ca: string): KnownCluster {
  if (known.cas.includes(ca)) return known;
  return { ...known, cas: [ca, ...known.cas].slice(0, maxAuthorities) };
}

export interface ClusterFileOptions {
  /** The agent's own folder. */
  folder: string;
  /** What was read at the start. */
  known: KnownCluster | undefined;
  node: string;
  limitedLog: LimitedLog;
}

/** What a running agent knows of its cluster. Each change is written to the file. */
export class ClusterFile {
  readonly #file: StateFile<KnownCluster | undefined>;
  /** Number of writes that are under way. */
  #writing = 0;

  constructor({ folder, known, node, limitedLog }: ClusterFileOptions) {
    this.#file = new StateFile<KnownCluster | undefined>({
      initial: known,
      write: async value => {
        if (!value) return;
        this.#writing++;
        await writeClusterFile(folder, value).finally(() => this.#writing--);
      },
      onWriteError: err => {
        const text = 'what this node knows of its cluster could not be written; it is tried again later';
        limitedLog.warn('cluster file', { node, err }, text);
      },
    });
  }

  get known(): KnownCluster | undefined {
    return this.#file.value;
  }

  /** Takes a code. @throws MusterError `not_writable`; then the code is used all the same until this process ends. */
  async take(code: JoinCode): Promise<void> {
    await this.#file.setOrThrow(withCode(this.known, code));
  }

  /** Drops the code, because `cluster` has admitted this node. Does nothing when the code is for another cluster. */
  onAdmitted(cluster: string | undefined): void {
    const { known } = this;
    if (known?.code !== undefined && known.cluster === cluster) void this.#file.set(withoutCode(known));
  }

  /** The pins of the CAs that are on the disk; undefined when nothing is known, or could not be written. */
  get keptPins(): readonly string[] | undefined {
    return this.#writing > 0 || this.#file.failure ? undefined : this.known?.pins;
  }

  /**
   * Keeps exactly the CAs that `cluster` says are valid, by their pins. Resolves with true when that changed something and
   * is on the disk.
   */
  async onValidPins(cluster: string, pins: readonly string[]): Promise<boolean> {
    const { known } = this;
    if (!known || known.cluster !== cluster) return false;
    const next = withPins(known, pins);
    if (next === known) return false;
    await this.#file.set(next);
    return this.#file.failure === undefined;
  }

  /** Trusts a CA that somebody on this machine names. @throws MusterError as `withTrusted`, and `not_writable` */
  async trust(pin: string): Promise<void> {
    await this.#file.setOrThrow(withTrusted(this.known, pin));
  }

  /** Keeps a certificate authority that has one of the pins. `ca` is in PEM. */
  onAuthority(ca: string): void {
    const { known } = this;
    if (known) void this.#file.set(withAuthority(known, ca));
  }
}
