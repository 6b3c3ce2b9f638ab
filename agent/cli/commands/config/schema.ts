// `muster config schema`: the JSON Schema of the configuration file, for editors.
import { configSchema } from '../../../config/schema.ts';
import { jsonText } from '../../../output/data.ts';
import { print } from '../../../output/terminal.ts';

export async function run(): Promise<number> {
  print(jsonText(configSchema()));
  return 0;
}
