// Reads the stored events over the API of a requester.
import { eventually } from './eventually.ts';

/**
 * Returns the stored events, the oldest first, as soon as the requester can read them: one that has just been without its
 * broker refuses, or breaks its answer off. @throws Error when it refuses for another reason
 */
export async function readEvents<Event>(ask: () => Promise<Response>): Promise<Event[]> {
  let read: string | undefined;
  await eventually('the requester reads the events', async () => {
    const answer = await ask();
    const text = await answer.text().catch(() => undefined);
    if (answer.status >= 400 && answer.status < 500) throw new Error(`no events: ${answer.status} ${text}`);
    if (answer.ok) read = text;
    return read !== undefined;
  });
  const lines = (read ?? '').split('\n').filter(line => line !== '');
  return lines.map(line => JSON.parse(line) as Event);
}
