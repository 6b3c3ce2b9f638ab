// Reads the live roll as a page does, and keeps the rows.
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import type { TestContext } from 'node:test';
import { createGunzip } from 'node:zlib';
import type { RollEvents, RollHead, RollRow } from '../../agent/protocol/roll-rows.ts';

export interface RollReading {
  response: IncomingMessage;
  /** The names of the events that came, in their order, and the number of comments. */
  names: (keyof RollEvents)[];
  comments: number;
  /** Number of the characters that came. */
  length: number;
  head: RollHead | undefined;
  rows: Map<string, RollRow>;
  states: string[];
  /** The events of the event stream. */
  told: unknown[];
  isClosed: boolean;
}

/** Opens the roll. Its connection ends with the test. */
export async function readRoll(
  t: TestContext,
  { port }: { port: number },
  { token = '', isPacked = false } = {},
): Promise<RollReading> {
  const headers = {
    ...(token ? { Authorization: `Bearer ${token}` } : {}),
    ...(isPacked ? { 'Accept-Encoding': 'gzip' } : {}),
  };
  const path = '/api/v1/orchestrator/roll';
  const sent = get({ host: '127.0.0.1', port, path, headers, agent: false });
  sent.on('error', () => undefined);
  t.after(() => sent.destroy());
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const reading: RollReading = {
    response,
    names: [],
    comments: 0,
    length: 0,
    head: undefined,
    rows: new Map(),
    states: [],
    told: [],
    isClosed: false,
  };
  response.once('close', () => {
    reading.isClosed = true;
  });
  response.on('error', () => undefined);
  const text = response.headers['content-encoding'] === 'gzip' ? response.pipe(createGunzip()) : response;
  text.on('error', () => undefined);
  let rest = '';
  text.setEncoding('utf8').on('data', (chunk: string) => {
    reading.length += chunk.length;
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) apply(reading, block);
  });
  return reading;
}

function apply(reading: RollReading, block: string): void {
  if (block === ':') {
    reading.comments++;
    return;
  }
  const [, name = '', json = ''] = /^event: (\w+)\ndata: ([^\n]*)$/.exec(block) ?? [];
  if (name === '') throw new Error(`this is no event: ${block.slice(0, 200)}`);
  reading.names.push(name as keyof RollEvents);
  const event = { [name]: JSON.parse(json) } as Partial<RollEvents>;
  if (event.roll) reading.head = event.roll;
  for (const row of event.nodes ?? []) reading.rows.set(row.id, row);
  for (const id of event.gone ?? []) reading.rows.delete(id);
  for (const figures of event.figures ?? []) change(reading, figures.id, figures);
  for (const [id, heardAt] of Object.entries(event.heard?.nodes ?? {})) change(reading, id, { heardAt });
  reading.told.push(...(event.events ?? []));
  if (event.state) reading.states.push(event.state.state);
}

function change({ rows }: RollReading, id: string, members: Partial<RollRow>): void {
  const row = rows.get(id);
  if (row) rows.set(id, { ...row, ...members });
}
