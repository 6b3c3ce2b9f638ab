// `muster config sample`: a configuration file to start from, with every setting at its default.
import { choice, text } from '../../../config/kind.ts';
import { roles } from '../../../config/role.ts';
import { packagedSchema, sampleConfig } from '../../../config/sample.ts';
import { print } from '../../../output/terminal.ts';
import type { Argv, FlagTable } from '../../line/command.ts';

export const flags = {
  role: {
    value: 'ROLE',
    kind: choice(...roles, 'both'),
    default: 'both',
    help: 'whose settings',
  },
  schema: {
    value: 'PATH',
    kind: text(/^[^\s\u0000-\u001f\u007f]{1,1024}$/u, 'a path or an address, without blanks'),
    default: packagedSchema,
    help: 'where editors find what "muster config schema" prints',
  },
} as const satisfies FlagTable;

export async function run({ flags: { role, schema } }: Argv<typeof flags>): Promise<number> {
  print(sampleConfig(role, schema));
  return 0;
}
