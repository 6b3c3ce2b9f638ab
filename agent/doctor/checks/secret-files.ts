// Checks that the files with secrets which the settings name cannot be read by every user.
import { stat } from 'node:fs/promises';
import { type Check, type Finding, failed, ok } from './check.ts';
import type { Context } from './context.ts';

export const secretFiles = ({ settings: { api, nats, join, broker } }: Context): Check => ({
  name: 'secrets',
  async run() {
    const { tokenFile, passwordFile, credsFile, tls } = nats;
    const named = Object.entries({
      'nats.tokenFile': tokenFile,
      'nats.passwordFile': passwordFile,
      'nats.credsFile': credsFile,
      'nats.tls.keyFile': tls.keyFile,
      'join.codeFile': join.codeFile,
      'broker.tls.keyFile': broker.tls.keyFile,
      'api.tokenFile': api.tokenFile,
      'api.tls.keyFile': api.tls.keyFile,
    });
    const findings = await Promise.all(
      named.map(([key, path]) => (path ? checkSecretFile(key, path) : undefined)),
    );
    return findings.filter(finding => finding !== undefined);
  },
});

async function checkSecretFile(key: string, path: string): Promise<Finding | undefined> {
  // When the file is missing, the check of the configuration reports it.
  const info = await stat(path).catch(() => undefined);
  if (!info) return undefined;
  // Several users may share a file through its group.
  if (!(info.mode & 0o007)) return ok(`${path} (${key})`);
  return failed(
    `${path} (${key}) can be read by every user (mode ${(info.mode & 0o777).toString(8)})`,
    `chmod o= ${path}`,
  );
}
