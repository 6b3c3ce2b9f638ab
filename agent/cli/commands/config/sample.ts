// `muster config sample` prints a configuration file to start from, with every setting at its default.
import { choice, text } from '../../../config/kind.ts';
import { roles } from '../../../config/role.ts';
import { packagedSchema, sampleConfig } from '../../../config/sample.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';

export const flags = {
  role: {
    value: 'ROLE',
    kind: choice(...roles, 'both'),
    default: 'both',
    help: 'the role whose settings to print',
  },
  schema: {
    value: 'PATH',
    kind: text(/^[^\s\u0000-\u001f\u007f]{1,1024}$/u, 'a path or an address, without blanks'),
    default: packagedSchema,
    help: 'where editors find the schema that "muster config schema" prints',
  },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster config sample > muster.yaml', 'begin a configuration file'],
  ['muster config sample --role agent', 'print only the settings of the agent'],
];

export async function run({ flags: { role, schema } }: Argv<typeof flags>): Promise<number> {
  print(sampleConfig(role, schema));
  return 0;
}
