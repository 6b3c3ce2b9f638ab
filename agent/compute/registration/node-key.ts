// The key of a running agent. It is exchanged for another one while the agent runs, so everybody reads it when it is used.
import type { KeyObject } from 'node:crypto';
import {
  dropNextIdentity,
  type Identity,
  loadIdentity,
  makeNextIdentity,
  promoteNextIdentity,
  readNextIdentity,
} from './identity.ts';

export class NodeKey implements Identity {
  readonly #folder: string;
  #present: Identity;
  #next: Identity | undefined;

  /**
   * Reads the key in an agent's folder, or makes one, and the key that was to take its place when an earlier process ended.
   * @throws MusterError as `loadIdentity`
   */
  static async load(folder: string): Promise<NodeKey> {
    const [present, next] = await Promise.all([loadIdentity(folder), readNextIdentity(folder)]);
    return new NodeKey(folder, present, next);
  }

  private constructor(folder: string, present: Identity, next: Identity | undefined) {
    this.#folder = folder;
    this.#present = present;
    this.#next = next;
  }

  get publicKey(): string {
    return this.#present.publicKey;
  }

  get userKey(): string {
    return this.#present.userKey;
  }

  get privateKey(): KeyObject {
    return this.#present.privateKey;
  }

  get fingerprint(): string {
    return this.#present.fingerprint;
  }

  /** The key that takes the place of the present one when the requester knows it; undefined when there is none. */
  get next(): Identity | undefined {
    return this.#next;
  }

  /** Makes the next key, unless there is one. It is on the disk before anybody hears of it. @throws as `loadIdentity` */
  async makeNext(): Promise<Identity> {
    this.#next ??= await makeNextIdentity(this.#folder);
    return this.#next;
  }

  /**
   * Uses the next key from now on, and then puts it in the place of the present one on the disk. @throws MusterError
   * `not_writable`; the next start then finds out again which of the two the requester knows.
   */
  async promote(): Promise<void> {
    if (!this.#next) return;
    this.#present = this.#next;
    this.#next = undefined;
    await promoteNextIdentity(this.#folder);
  }

  /** Forgets the next key. @throws MusterError `not_writable` */
  async drop(): Promise<void> {
    this.#next = undefined;
    await dropNextIdentity(this.#folder);
  }
}
