// Collects what is shipped beside the executable: licences, documentation, schema, completions and the manual page.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { completionScript, type Shell } from '../../agent/cli/completion/scripts.ts';
import { configSchema } from '../../agent/config/schema.ts';
import { jsonText } from '../../agent/output/data.ts';
import { manPage } from '../manual/page.ts';
import type { Built } from './build.ts';
import { checkout } from './checkout.ts';
import { shippedPages } from './pages.ts';

/** The texts that are shipped beside the executable. */
export interface Companions {
  readonly licence: string;
  readonly notices: string;
  /** The pages for users and their picture, by path from the checkout. */
  readonly pages: Readonly<Record<string, string>>;
  readonly changelog: string;
  /** The JSON Schema of the configuration file. */
  readonly schema: string;
  /** The manual page, as roff. */
  readonly manual: string;
  readonly completions: Readonly<Record<Shell, string>>;
}

/** Reads and makes the texts that go with a built executable. */
export async function companions({ parts }: Pick<Built, 'parts'>): Promise<Companions> {
  const own = (name: string) => readFile(join(checkout, name), 'utf8');
  const notices = parts['THIRD-PARTY-NOTICES'];
  return {
    licence: await own('LICENSE'),
    notices: notices ? await readFile(notices, 'utf8') : '',
    pages: await shippedPages(),
    changelog: await own('CHANGELOG.md'),
    schema: jsonText(configSchema()),
    manual: await manPage(),
    completions: {
      bash: await completionScript('bash'),
      zsh: await completionScript('zsh'),
      fish: await completionScript('fish'),
    },
  };
}
