// Looks at a list of nodes again and again. A terminal shows the list as it is now; elsewhere there is a line for each change.
import type { ShownNode } from '../../../api/answers.ts';
import type { ListFacts } from '../../../output/node-columns.ts';
import { note, printSlowly, warn } from '../../../output/terminal.ts';
import { type Clock, sleep } from '../../../system/clock.ts';
import { MusterError } from '../../../system/errors.ts';
import { printable } from '../../../system/printable.ts';
import { ListChanges } from './list-changes.ts';
import { ListScreen, type ScreenSize } from './list-screen.ts';
import type { TableLook } from './list-table.ts';
import type { OpenedList } from './open-list.ts';

export interface WatchOptions {
  clock: Clock;
  /** Asks for the list. */
  open(): Promise<OpenedList>;
  /** The address that answered last. */
  url(): string;
  look: Pick<TableLook, 'isWide' | 'hasHeader'>;
  /** The size of the terminal; undefined when there is none. */
  screen(): ScreenSize | undefined;
}

/** One look at the list. */
interface Looked {
  nodes: ShownNode[];
  facts: ListFacts;
  doubt: string | undefined;
}

/** The least time between two looks, in milliseconds, and how much longer it is than a look takes: long lists cost much. */
const pauseMs = 1_000;
const pauseFactor = 10;

/**
 * Watches until the process ends. A requester that goes away is asked until it answers. @throws MusterError when the first
 * look fails, and when a later one is refused.
 */
export async function watchList(options: WatchOptions): Promise<never> {
  const { clock, screen, url } = options;
  const view = screen() ? screenView(options) : lineView();
  let from: string | undefined;
  let isAway = false;
  for (;;) {
    let tookMs = 0;
    try {
      const beganMs = clock.monotonic();
      const looked = await look(options);
      tookMs = clock.monotonic() - beganMs;
      if (from !== undefined && (isAway || from !== url())) view.onBack(url(), looked.facts.now);
      from = url();
      isAway = false;
      await view.show(looked);
    } catch (error) {
      const mayPass = error instanceof MusterError && error.code === 'unreachable';
      if (from === undefined || !mayPass) throw error;
      if (!isAway) await view.onAway(error);
      isAway = true;
    }
    await sleep(clock, Math.max(pauseMs, pauseFactor * tookMs));
  }
}

async function look({ open }: WatchOptions): Promise<Looked> {
  const { nodes, facts, doubt } = await open();
  const all: ShownNode[] = [];
  for await (const node of nodes) all.push(node);
  return { nodes: all, facts, doubt };
}

/** What a watch shows of the list, and of a requester that goes away and comes back. */
interface View {
  show(looked: Looked): Promise<void>;
  onAway(error: MusterError): void | Promise<void>;
  /** `now` is the present time, by the clock of the requester. */
  onBack(url: string, now: Date): void;
}

function lineView(): View {
  const changes = new ListChanges();
  let doubt: string | undefined;
  return {
    async show(looked) {
      if (looked.doubt && looked.doubt !== doubt) warn(looked.doubt);
      doubt = looked.doubt;
      for (const line of changes.next(looked.nodes, looked.facts)) await printSlowly(`${line}\n`);
    },
    onAway({ message }) {
      warn(printable(`${message}; the watch goes on when it answers`));
    },
    onBack(url, now) {
      note(printable(`the requester at ${url} answers`));
      changes.onBack(now);
    },
  };
}

function screenView({ look: tableLook, screen }: WatchOptions): View {
  const list = new ListScreen();
  let last: Looked | undefined;
  let returned: string | undefined;
  const draw = ({ nodes, facts }: Looked, footer: readonly (string | undefined)[]) => {
    const size = screen() ?? { columns: 80, rows: 24 };
    const text = printable(footer.filter(Boolean).join('; '), 1_024);
    return printSlowly(list.draw(nodes, facts, tableLook, text, size));
  };
  return {
    async show(looked) {
      last = looked;
      await draw(looked, [countText(looked), timeText(looked), looked.doubt, returned]);
    },
    async onAway({ message }) {
      if (last) await draw(last, [`${countText(last)} at ${timeText(last)}`, message]);
    },
    onBack(url) {
      returned = `the requester at ${url} answers again`;
    },
  };
}

const countText = ({ nodes }: Looked): string => (nodes.length === 1 ? '1 node' : `${nodes.length} nodes`);
const timeText = ({ facts }: Looked): string => `${facts.now.toISOString().slice(11, 19)} UTC`;
