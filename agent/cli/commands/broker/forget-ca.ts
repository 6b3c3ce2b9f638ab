// `muster broker forget-ca` lets the nodes trust a CA no longer.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, Example } from '../../line/command.ts';
import { actor } from '../actor.ts';

export const settings = apiSettings;

export const operands = { pin: 'the pin of the former CA, or of the next one that is not wanted any more' };

const examplePin = 'elxv_-EKyIyM2B6hJSaX7r7soVJS_PCTC5TgymP_QAk';

export const examples: readonly Example[] = [
  [`muster broker forget-ca ${examplePin}`, 'end the trust in this CA'],
  ['muster broker forget-ca "$PIN"', 'the same in a script'],
];

export async function run({
  load,
  operands: { pin },
}: Argv<Record<never, never>, keyof typeof operands>): Promise<number> {
  await (await requesterApi(load)).authorities.forget(pin, actor());
  print('Ok\n');
  return 0;
}
