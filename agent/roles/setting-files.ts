// Checks that the files named in the settings exist, can be read, and have valid content.
import { constants } from 'node:fs';
import { access, lstat, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { settingKeys, settingOf, settingValue } from '../config/keys.ts';
import { path } from '../config/kind.ts';
import { formatPlaces, type LoadedSettings } from '../config/load.ts';
import type { SettingKey, Settings } from '../config/settings.ts';
import { errnoOf, reasonOf } from '../system/errors.ts';

/** Returns a line for each problem. These are warnings, because the user of the role may have other rights. */
export async function checkSettingFiles({ settings, origin }: LoadedSettings): Promise<string[]> {
  const problems = new Map<SettingKey, string>();
  for (const key of settingKeys) {
    // The role creates the data folder itself.
    if (settingOf(key).type !== path || key === 'dataDir') continue;
    const file = settingValue(settings, key);
    if (typeof file !== 'string') continue;
    const why = await (checks[key] ?? whyUnusable)(file, key);
    if (why) problems.set(key, `${key}: ${file} ${why}`);
  }
  const lines = [...problems].map(([key, text]) => `${formatPlaces([key], origin)}${text}`);
  for (const { keys, read } of credentialReaders(settings)) {
    if (keys.some(key => problems.has(key))) continue;
    const text = await read().then(() => undefined, reasonOf);
    if (text) lines.push(`${formatPlaces(keys, origin)}${text}`);
  }
  return lines;
}

const checks: Readonly<Record<string, (file: string) => Promise<string | undefined> | string | undefined>> = {
  'log.file': whyNotWritable,
  'compute.busyFile': async file => (await whyNoSign(file)) ?? whyHidden(file),
};

/**
 * Returns why an agent may not see the file of a scheduler. While the machine is idle the file is not there, and where the agent
 * is denied it, the agent says so itself.
 */
function whyHidden(file: string): string | undefined {
  const folder = /^\/(var\/)?tmp(?=\/)/.exec(file)?.[0];
  if (folder === undefined || process.platform !== 'linux') return undefined;
  return `is hidden from an agent that runs as a service, which has a ${folder} of its own: nobody could tell whether this machine is busy; keep the file elsewhere, such as in /run`;
}

/**
 * Returns why a file can say nothing by being there or not. It may be empty. Without its folder it can never be there, unless
 * the scheduler makes that folder in /run, which is empty after a boot.
 */
async function whyNoSign(file: string): Promise<string | undefined> {
  const isThere = await lstat(file).then(
    () => true,
    error => errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR',
  );
  if (isThere) {
    const why = await whyUnusable(file, 'compute.busyFile');
    return why === isEmpty ? undefined : why;
  }
  const folder = await stat(dirname(file)).catch(() => undefined);
  return folder?.isDirectory() || /^\/(var\/)?run\//.test(file) ? undefined : noFolder;
}

const isEmpty = 'is empty';
const noFolder = 'is in a folder that is not there';

async function whyUnusable(file: string, key: SettingKey): Promise<string | undefined> {
  const program = key === 'broker.binary';
  try {
    const info = await stat(file);
    if (!info.isFile()) return 'is not a file';
    if (program) await access(file, constants.X_OK);
    else await (await open(file)).close();
    return info.size === 0 ? isEmpty : undefined;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'is not there';
    const use = program ? 'run' : 'read';
    return code === 'EACCES' ? `may not be ${use} by this user` : `cannot be ${use}: ${reasonOf(error)}`;
  }
}

/** Returns why the log cannot be written. The log creates its file, but not its folder. */
async function whyNotWritable(file: string): Promise<string | undefined> {
  const info = await stat(file).catch(() => undefined);
  if (info && !info.isFile()) return 'is not a file';
  try {
    await access(info ? file : dirname(file), constants.W_OK);
    return undefined;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return noFolder;
    return code === 'EACCES' ? 'may not be written by this user' : `cannot be written: ${reasonOf(error)}`;
  }
}

/** Returns functions that read the files as a connection does. */
function credentialReaders(settings: Settings): { keys: SettingKey[]; read: () => Promise<unknown> }[] {
  const { nats, broker } = settings;
  const { caFile, certFile, keyFile } = nats.tls;
  const credentials = (['tokenFile', 'credsFile', 'passwordFile'] as const).filter(name => nats[name]);
  const own = (['certFile', 'keyFile', 'caFile'] as const).filter(name => broker.tls[name]);
  const all: { keys: SettingKey[]; set: unknown; read: () => Promise<unknown> }[] = [
    {
      keys: credentials.map(name => `nats.${name}` as const),
      set: credentials.length > 0,
      read: async () => (await import('../transport/credentials.ts')).readCredentials(nats),
    },
    { keys: ['nats.tls.caFile'], set: caFile, read: async () => (await tls()).readTls({ caFile }) },
    {
      keys: ['nats.tls.certFile', 'nats.tls.keyFile'],
      set: certFile && keyFile,
      read: async () => (await tls()).readTls({ certFile, keyFile }),
    },
    {
      keys: own.map(name => `broker.tls.${name}` as const),
      set: own.length > 0,
      read: async () => (await ownCertificate()).checkOwnCertificate(settings, new Date()),
    },
  ];
  return all.filter(({ set }) => set);
}

const tls = () => import('../transport/tls.ts');
const ownCertificate = () => import('../broker/tls/choose-certificate.ts');
