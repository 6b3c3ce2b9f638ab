// `muster broker bacalhau` prints the configuration with which nodes of Bacalhau come in to the requester's own broker.
import { apiSettings, requesterApi } from '../../../api/client.ts';
import { choice, text } from '../../../config/kind.ts';
import { jsonText } from '../../../output/data.ts';
import { handOutSecret, saveFlag } from '../../../output/secret-output.ts';
import { note, print } from '../../../output/terminal.ts';
import { printable } from '../../../system/printable.ts';
import type { Argv, Example, FlagTable } from '../../line/command.ts';
import { actor } from '../actor.ts';
import { certificateText } from './authorities-text.ts';
import { bacalhauConfig, bacalhauNotes } from './bacalhau-config.ts';

export const settings = apiSettings;

export const flags = {
  release: {
    value: 'VERSION',
    kind: choice('1.5', '1.4'),
    default: '1.5',
    help: 'version of Bacalhau: 1.5 for all from 1.5 on, 1.4 for all up to 1.4',
  },
  'ca-file': {
    value: 'PATH',
    kind: text(/^\/[\x21-\x7e]{1,1000}$/, 'an absolute path without blanks'),
    default: '/etc/bacalhau/muster-ca.pem',
    help: 'where the node keeps the CA of the broker',
  },
  save: saveFlag,
  output: {
    value: 'FORMAT',
    short: 'o',
    kind: choice('yaml', 'ca', 'json'),
    default: 'yaml',
    help: 'yaml is the configuration, ca the certificate for --ca-file, json has all of it',
  },
} as const satisfies FlagTable;

export const examples: readonly Example[] = [
  ['muster broker bacalhau --save config.yaml', 'the configuration of a Bacalhau compute node'],
  ['muster broker bacalhau -o ca >muster-ca.pem', 'the CA that goes with it, where the broker uses TLS'],
];

export async function run({ load, flags: given }: Argv<typeof flags>): Promise<number> {
  const api = await requesterApi(load);
  const { release, save, 'ca-file': caFile } = given;
  if (given.output === 'ca') {
    const { CA } = await api.bacalhau.access(actor());
    print(certificateText(CA));
    return 0;
  }
  await handOutSecret(save, async () => {
    const access = await api.bacalhau.access(actor());
    for (const line of bacalhauNotes(access, release, caFile)) note(printable(line, 1024));
    return given.output === 'json' ? jsonText(access) : bacalhauConfig(access, release, caFile);
  });
  return 0;
}
