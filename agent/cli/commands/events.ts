// `muster events` shows what happened to the nodes and, with --follow, also new events.
import type { ShownEvent } from '../../api/answers.ts';
import { type ApiClient, apiSettings, requesterApi } from '../../api/client.ts';
import { type FeedOptions, followEvents } from '../../api/event-feed.ts';
import { type Kind, path, Refusal, readText } from '../../config/kind.ts';
import { parseDuration } from '../../config/units.ts';
import { jsonLine } from '../../output/data.ts';
import { PiecePrinter } from '../../output/print-pieces.ts';
import { note, printSlowly, warn } from '../../output/terminal.ts';
import { eventTexts } from '../../protocol/event-texts.ts';
import { nodeIdPattern } from '../../protocol/schema.ts';
import { systemClock } from '../../system/clock.ts';
import { printable } from '../../system/printable.ts';
import { systemRandom } from '../../system/random.ts';
import type { Argv, Example, FlagTable } from '../line/command.ts';
import { outputFlag } from '../line/output-flag.ts';
import { CursorFile } from './cursor-file.ts';

export const settings = apiSettings;

const nodeName: Kind<string> = {
  name: 'text',
  read(input) {
    const name = readText(input);
    if (!nodeIdPattern.test(name))
      throw new Refusal('is not a node id; allowed: 1 to 128 letters, digits, - and _');
    return name;
  },
  plain: name => name,
};

/** The kind of a time: an age such as `1h`, or a date with or without a time of day. */
const moment: Kind<Date> = {
  name: 'time',
  read(input) {
    const text = readText(input);
    const ago = parseDuration(text);
    if (ago !== undefined) return new Date(systemClock.now().getTime() - ago);
    const time = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/.test(text)
      ? new Date(text)
      : undefined;
    if (time && !Number.isNaN(time.getTime())) return time;
    throw new Refusal(
      'is not a time; allowed: how long ago, like 30m, 1h30m; or 2026-01-31T12:00:00Z, 2026-01-31',
    );
  },
  plain: time => time.toISOString(),
};

export const flags = {
  follow: { short: 'f', help: 'also show new events, until Ctrl-C' },
  since: {
    value: 'TIME',
    kind: moment,
    help: 'show only later events: how long ago (1h), or when (2026-01-31T12:00:00Z)',
  },
  node: { value: 'ID', kind: nodeName, help: 'show only events of this node; its id, or a unique beginning' },
  'cursor-file': {
    value: 'FILE',
    kind: path,
    help: 'go on after the event whose cursor is in this file, and keep the cursor of the last one there',
  },
  output: outputFlag('text', 'json'),
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster events --since 1h', 'show the events of the last hour'],
  ['muster events --follow --node node-1', 'watch one node'],
];

export async function run(argv: Argv<typeof flags>): Promise<number> {
  const { follow, since, node, output, 'cursor-file': cursorFile } = argv.flags;
  const cursors = cursorFile === undefined ? undefined : new CursorFile(cursorFile);
  const after = await cursors?.read();
  const api = await requesterApi(argv.load);
  const query = {
    // A time says where the first run begins.
    ...(after ? { after } : since ? { since: since.toISOString() } : {}),
    ...(node ? { node } : {}),
  };
  const show = output === 'json' ? jsonLine : eventLines();
  const printer = new PiecePrinter();
  // What came before a warning is shown before it.
  const beforeWarning = () => printer.writeNow();
  const listeners = { onUnreadable: warnOnce(beforeWarning) };
  const events = follow
    ? followEvents(api, query, {
        ...listeners,
        ...outages(api, beforeWarning),
        clock: systemClock,
        random: systemRandom,
        byCursor: cursors !== undefined,
      })
    : api.events(query, listeners);
  if (cursors) await printAndKeep(events, show, cursors);
  else await printer.print(shownEvents(events, show));
  return 0;
}

async function* shownEvents(
  events: AsyncIterable<ShownEvent>,
  show: (event: ShownEvent) => string,
): AsyncGenerator<string> {
  for await (const event of events) yield show(event);
}

/** Prints each event by itself, because the cursor of an event that nobody has got must not be kept. */
async function printAndKeep(
  events: AsyncIterable<ShownEvent>,
  show: (event: ShownEvent) => string,
  cursors: CursorFile,
): Promise<void> {
  for await (const event of events) {
    const isWritten = await printSlowly(show(event));
    if (isWritten && event.cursor) cursors.keep(event.cursor);
  }
  await cursors.finish();
}

function outages(
  api: ApiClient,
  beforeWarning: () => void,
): Pick<FeedOptions, 'onOpen' | 'onLost' | 'onBack'> {
  // When a requester is lost, the client may name the next one already.
  let sender = api.url;
  return {
    onOpen() {
      sender = api.url;
    },
    onLost({ message }) {
      beforeWarning();
      warn(printable(`${message}; missed events are shown later`));
    },
    onBack() {
      const what = api.url === sender ? 'is back' : 'goes on with the events';
      beforeWarning();
      note(printable(`the requester at ${api.url} ${what}`));
    },
  };
}

/**
 * Returns a function that warns the first time it is called. Other programs may publish under the same subjects; their
 * messages are skipped.
 */
function warnOnce(beforeWarning: () => void): (reason: string) => void {
  let warned = false;
  return reason => {
    if (warned) return;
    warned = true;
    beforeWarning();
    warn(printable(`a line that is not a membership event is left out: ${reason}`));
  };
}

/** Returns a function that writes each event as a line. A column becomes wider when an id or a kind needs more space. */
function eventLines(): (event: ShownEvent) => string {
  let nodeWidth = 0;
  let kindWidth = 10;
  return event => {
    const { node } = event.data;
    const { kind, change, details } = eventTexts(event);
    nodeWidth = Math.max(nodeWidth, node.length);
    kindWidth = Math.max(kindWidth, kind.length);
    const what = [node.padEnd(nodeWidth), kind.padEnd(kindWidth), change.padEnd(20)];
    return `${printable([event.time, ...what, ...details].join('  ')).trimEnd()}\n`;
  };
}
