// Keeps listeners without a store and a broker, for tests of the API and of the commands.
import type { ListenerView } from '../../agent/protocol/http-listeners.ts';
import { durableName, listenerToken } from '../../agent/protocol/listener.ts';
import type { Act } from '../../agent/requester/events/requester-events.ts';
import type { ListenerRecord } from '../../agent/requester/listeners/listener-record.ts';
import type { NewListener } from '../../agent/requester/listeners/listeners.ts';
import { MusterError } from '../../agent/system/errors.ts';

const madeAt = '2026-01-01T12:00:00.000Z';

export class FakeListeners {
  readonly records = new Map<string, ListenerRecord>();
  /** The acts of those who made and revoked listeners. */
  readonly acts: string[] = [];
  isWorkOpen = false;

  async list(): Promise<ListenerView[]> {
    return [...this.records].map(
      ([Name, { durable: Durable, work: Work = false, createdBy: CreatedBy, expires, at: At }]) => ({
        Name,
        Durable,
        Work,
        Unread: 7,
        ...(expires ? { Expires: expires } : {}),
        CreatedBy,
        At,
      }),
    );
  }

  async create(
    { name, fromOldest, work = false, validMs }: NewListener,
    { actor, claimedActor }: Act,
  ): Promise<{ token: string; record: ListenerRecord }> {
    if (this.records.has(name)) throw new MusterError('conflict', `there is a listener ${name} already`);
    const from = fromOldest ? 'the oldest event' : 'now';
    this.acts.push(
      `${actor} (${claimedActor}) made ${name}${work ? ' with work' : ''} from ${from} for ${validMs ?? 'ever'}`,
    );
    const record = {
      hash: 'A'.repeat(43),
      durable: durableName(name, Buffer.alloc(12, 5)),
      ...(work ? { work } : {}),
      ...(validMs === undefined ? {} : { expires: '2026-01-02T12:00:00.000Z' }),
      createdBy: actor,
      at: madeAt,
    };
    this.records.set(name, record);
    return { token: listenerToken(name, Buffer.alloc(32, 3)), record };
  }

  async revoke(name: string, { actor, claimedActor }: Act): Promise<void> {
    if (!this.records.delete(name)) throw new MusterError('not_found', `there is no listener ${name}`);
    this.acts.push(`${actor} (${claimedActor}) revoked ${name}`);
  }
}
