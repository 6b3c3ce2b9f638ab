// `muster config schema` prints the JSON Schema of the configuration file, for editors.
import { configSchema } from '../../../config/schema.ts';
import { jsonText } from '../../../output/data.ts';
import { print } from '../../../output/terminal.ts';
import type { Example } from '../../line/command.ts';

export const examples: readonly Example[] = [
  ['muster config schema > muster.schema.json', 'let an editor check the configuration file'],
  ['muster config schema | less', 'read what each setting allows'],
];

export async function run(): Promise<number> {
  print(jsonText(configSchema()));
  return 0;
}
