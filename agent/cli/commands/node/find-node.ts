// Asks for one node to show it. For a node that is gone, it says what became of it.
import type { ShownEvent, ShownNode } from '../../../api/answers.ts';
import type { ApiClient } from '../../../api/client.ts';
import { eventTexts } from '../../../protocol/event-texts.ts';
import { timeText } from '../../../protocol/unit-text.ts';
import { systemClock } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';

/**
 * Returns the node with this id, or with this unique beginning of its id. `describe` and `explain` call it. @throws MusterError
 * as `api.node`; with `not_found`, the hint says when the node was removed, as far as its events tell.
 */
export async function findNode(api: Pick<ApiClient, 'node' | 'events'>, id: string): Promise<ShownNode> {
  try {
    return await api.node(id);
  } catch (error) {
    if (!(error instanceof MusterError) || error.code !== 'not_found') throw error;
    const hint = error.hint ?? (await whatBecameOf(api, id)) ?? 'the nodes that are there: muster node list';
    throw new MusterError('not_found', error.message, { hint, cause: error });
  }
}

/** Returns the id that an operator gave to a node that has `id` no more; undefined when its events do not tell of one. */
export async function findNewId(api: Pick<ApiClient, 'events'>, id: string): Promise<string | undefined> {
  const last = await lastEventOf(api, id);
  return last?.subject === id ? last.data.newId : undefined;
}

async function lastEventOf(api: Pick<ApiClient, 'events'>, id: string): Promise<ShownEvent | undefined> {
  let last: ShownEvent | undefined;
  try {
    for await (const event of api.events({ node: id }, { onUnreadable: () => undefined })) last = event;
    return last;
  } catch (error) {
    // Whoever may see nodes may not be allowed to see events, and an id that nobody ever had is an error there too.
    if (error instanceof MusterError) return undefined;
    throw error;
  }
}

async function whatBecameOf(api: Pick<ApiClient, 'events'>, id: string): Promise<string | undefined> {
  const last = await lastEventOf(api, id);
  if (!last) return undefined;
  const { kind, details } = eventTexts(last);
  const { node, newId } = last.data;
  const gone = {
    deleted: 'was deleted',
    expired: 'gave way while it waited',
    ...(newId ? { renamed: `was renamed to ${newId}` } : {}),
  }[kind];
  if (gone === undefined) return undefined;
  const told = [`${node} ${gone} ${timeText(last.time, systemClock.now())}`, ...details].join(', ');
  return `${told}; what happened before: muster events --node ${node}`;
}
