// Checks the key pair of the agent, which is its identity.
import { join } from 'node:path';
import { identityFile, inspectIdentity } from '../../compute/registration/identity.ts';
import { type Check, ok } from './check.ts';
import type { Context } from './context.ts';
import { exposureFindings, unreadableFinding } from './private-file.ts';

export const identity = (context: Context): Check => ({
  name: 'identity',
  async run() {
    const folder = context.folderOf('agent');
    const path = join(folder, identityFile);
    try {
      const kept = await inspectIdentity(folder);
      if (!kept) return [ok('there is none yet: the agent makes its key at its first start')];
      const { publicKey, fingerprint } = kept.identity;
      return [
        ok(`${publicKey}, fingerprint ${fingerprint}`),
        ...(await exposureFindings(path, folder, kept)),
      ];
    } catch (error) {
      return [unreadableFinding(error, path)];
    }
  },
});
