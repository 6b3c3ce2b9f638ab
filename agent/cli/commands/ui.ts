// `muster ui` prints an address that signs one browser in to the requester's page, and opens it where there is a browser.
import { apiSettings, requesterApi } from '../../api/client.ts';
import { note, outputWidth, print } from '../../output/terminal.ts';
import { signInAddress } from '../../protocol/http-page.ts';
import type { Argv, Example, FlagTable } from '../line/command.ts';
import { openBrowser } from './open-browser.ts';

export const settings = apiSettings;

export const flags = {
  'no-open': { help: 'only print the address' },
} satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster ui', 'open the page with the roll in a browser, signed in'],
  ['muster ui --no-open', 'print an address for a browser, which signs it in once'],
];

export async function run({ load, flags: given }: Argv<typeof flags>): Promise<number> {
  const api = await requesterApi(load);
  const { Code, ValidSeconds } = await api.page.makeCode();
  const address = signInAddress(api.url, Code);
  print(`${address}\n`);
  // A script wants the address, and no window.
  const isOpened = !given['no-open'] && outputWidth() !== undefined && (await openBrowser(address));
  note(
    isOpened
      ? `A browser opens it. It signs in once, within ${ValidSeconds} s.`
      : `Open it in a browser. It signs in once, within ${ValidSeconds} s.`,
  );
  return 0;
}
