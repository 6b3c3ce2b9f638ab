// What a campaign found: the first thing that was wrong, if any, and where its logs are.
import { processesNaming } from '../support/processes.ts';
import type { Decisions } from './decisions.ts';

export interface Verdict {
  /** What was wrong; undefined when nothing was. The campaign ends with the first such thing. */
  fault?: string;
  /** The folder with the logs, which is left after a fault. */
  folder?: string;
}

export interface Concluded {
  /** The folder with the logs. */
  readonly folder: string;
  /** What the campaign does now, for the report of a fault. */
  readonly doing: string;
  /** Ends everything. It leaves the folder with the logs if `keep` is true. */
  release(keep: boolean): Promise<void>;
}

/** Does the work of a campaign up to its end or the first fault, releases it, and looks for processes that are left. */
export async function conclude(campaign: Concluded, work: () => Promise<void>): Promise<Verdict> {
  let fault: string | undefined;
  try {
    await work();
  } catch (error) {
    fault = `${campaign.doing}: ${error instanceof Error ? error.message : error}`;
  }
  await campaign.release(fault !== undefined);
  const left = await processesNaming(campaign.folder);
  if (left !== '') fault ??= `processes are left at the end:\n${left}`;
  return fault === undefined ? {} : { fault, folder: campaign.folder };
}

/** Returns how many decisions were made, for the table at the end. */
export const decisionFigures = ({ counts }: Pick<Decisions, 'counts'>): [what: string, figure: number][] => [
  ['decisions acknowledged', counts.done],
  ['decisions refused', counts.refused],
  ['decisions without an answer, which may stand', counts.unknown],
  ['decisions that reached no requester', counts.notSent],
  ['decisions by the command', counts.byCommand],
];
