// Collects the files of a fault report. They contain no secrets: secret settings are left out by name, and every text that
// was read as a secret is removed wherever it appears.
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { accessFiles } from '../broker/broker-access.ts';
import { brokerFiles, knownConfigLines } from '../broker/broker-files.ts';
import { nextAuthorityKeyFile } from '../broker/tls/next-authority.ts';
import { certificateFiles } from '../broker/tls/server-certificate.ts';
import { inspectClusterFile } from '../compute/registration/cluster-file.ts';
import { identityFile, inspectIdentity, nextIdentityFile } from '../compute/registration/identity.ts';
import { inspectSentinel } from '../compute/registration/sentinel.ts';
import { type Role, roles } from '../config/role.ts';
import { settingsDocument } from '../config/show.ts';
import { type Recording, recordingFile, recordingText } from '../host/recording/recording.ts';
import { yamlText } from '../output/data.ts';
import { withShownNames } from '../output/member-names.ts';
import { tokenFiles } from '../requester/enrolment/token-file.ts';
import { systemClock } from '../system/clock.ts';
import { errnoOf, reasonOf } from '../system/errors.ts';
import { readNodeId } from '../system/node-id.ts';
import { readBounded, readOwnFile } from '../system/read-file.ts';
import { withFolder } from '../system/safe-open.ts';
import { redacted, redactSecrets, rememberSecret } from '../system/secrets.ts';
import { version } from '../system/version.ts';
import type { BundleFile, OmittedFile } from './check-messages.ts';
import { withTimeout } from './checks/check.ts';
import type { Context } from './checks/context.ts';
import { logSources } from './role-logs.ts';

/** Length of the longest text of a file, in characters. The beginning of a longer file is left out. */
const longestFileChars = 2 * 2 ** 20;

export interface BundleOptions {
  roles: readonly Role[];
  /** The context; undefined when the settings do not load. Then there are few files. */
  context: Context | undefined;
  /** Returns the recording of the machine, without the ids that identify the machine. */
  recording(): Promise<Recording>;
  onFile(file: BundleFile): void;
  onOmitted(what: OmittedFile): void;
}

/** One file of the archive. `read` returns its text, or throws with the reason why there is none. */
interface Source {
  readonly name: string;
  read(): Promise<string>;
}

/** Time for each file, in milliseconds. */
const sourceTimeoutMs = 25_000;

/** Collects all files at once. A file that cannot be read is omitted, with the reason. Never rejects. */
export async function collectBundleFiles(options: BundleOptions): Promise<void> {
  const { roles, context, onFile, onOmitted } = options;
  if (context)
    await withTimeout(systemClock, sourceTimeoutMs, registerSecrets(context)).catch(() => undefined);
  else onOmitted({ what: 'settings.yaml', why: 'the configuration does not load: doctor.json says why' });
  const sources: Source[] = [
    { name: 'version.json', read: async () => json(withShownNames(versions())) },
    ...(context ? sourcesIn(context, options) : []),
    ...logSources(roles, context?.settings.log.file),
  ];
  await Promise.all(
    sources.map(async ({ name, read }) => {
      try {
        const text = await withTimeout(systemClock, sourceTimeoutMs, read());
        if (text === undefined)
          onOmitted({ what: name, why: `it was not ready within ${sourceTimeoutMs / 1000} s` });
        else onFile({ name, text: truncate(redactSecrets(text)) });
      } catch (error) {
        onOmitted({ what: name, why: redactSecrets(reasonOf(error)) });
      }
    }),
  );
}

function sourcesIn(context: Context, { recording }: BundleOptions): Source[] {
  const { roles, agent, requester } = context;
  const ofAgent: Source[] = [
    { name: 'agent.json', read: async () => statusText(await agent()) },
    { name: 'sentinel.json', read: () => sentinel(context) },
  ];
  const ofRequester: Source[] = [
    { name: 'requester.json', read: async () => statusText(await requester()) },
    { name: 'nats.conf', read: () => brokerConfig(context) },
  ];
  return [
    { name: 'settings.yaml', read: async () => yamlText(await settingsDocument(context.loaded)) },
    ...(roles.includes('agent') ? ofAgent : []),
    ...(roles.includes('requester') ? ofRequester : []),
    { name: 'files.txt', read: () => listing(context) },
    { name: recordingFile, read: async () => recordingText(await recording()) },
  ];
}

const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

function versions() {
  const { arch, platform, version: node, versions } = process;
  return { version, node, openssl: versions.openssl, platform, arch };
}

function statusText(status: unknown): string {
  if (status === undefined) throw new Error('it does not run');
  return json(withShownNames(status));
}

/** Returns the sentinel without its session, which only the requester should know. */
async function sentinel({ settings, folderOf }: Context): Promise<string> {
  const folder = folderOf('agent');
  const node = settings.node.id ?? (await readNodeId(folder));
  const key = (await inspectIdentity(folder))?.identity.publicKey;
  if (!node || !key) throw new Error('there is none');
  const found = await inspectSentinel(folder, node, key);
  if (found.kind === 'none') throw new Error('there is none');
  if (found.kind === 'bad') throw new Error(found.reason);
  return json({ ...found.sentinel, session: redacted });
}

async function brokerConfig({ folderOf }: Context): Promise<string> {
  const config = await readOwnFile(brokerFiles(folderOf('broker')).config);
  if (!config) throw new Error('there is none');
  return knownConfigLines(config.data.toString('utf8')).replace(
    /(token|password|pass)(\s*[:=]\s*).*/gi,
    `$1$2${redacted}`,
  );
}

/** Number of lines in the listing of one folder, at most. */
const mostFiles = 500;

/** Returns mode, owner, size, time and name of the files in the data folders, without their content. */
async function listing({ data, folderOf }: Context): Promise<string> {
  const folders = [data, folderOf('agent'), folderOf('requester'), folderOf('broker')];
  return (await Promise.all(folders.map(listed))).join('');
}

async function listed(folder: string): Promise<string> {
  return withFolder(folder, async ({ at }) => {
    const names = (await readdir(at())).sort();
    const shown = names.slice(0, mostFiles);
    const lines = await Promise.all(shown.map(name => line(at(name), join(folder, name))));
    const more = names.length > mostFiles ? `and ${names.length - mostFiles} more in ${folder}\n` : '';
    return `${await line(at(), folder)}${lines.join('')}${more}`;
  }).catch(error => `${folder}: ${whyNot(error)}\n`);
}

const whyNot = (error: unknown) => errnoOf(error) ?? reasonOf(error);

/** Returns the line about what is at `path`, which the listing calls `shown`. */
async function line(path: string, shown: string): Promise<string> {
  const info = await lstat(path).catch(whyNot);
  if (typeof info === 'string') return `${shown}: ${info}\n`;
  const { mode, uid, gid, size, mtime } = info;
  return `${mode.toString(8)} ${uid}:${gid} ${size} ${mtime.toISOString()} ${shown}\n`;
}

/** Reads every secret, so that `redactSecrets` removes it wherever it appears, for instance in a log. */
async function registerSecrets({ settings, folderOf }: Context): Promise<void> {
  const { tokenFile, passwordFile, credsFile, tls } = settings.nats;
  const { caKey, key } = certificateFiles(folderOf('requester'));
  const nextKey = nextAuthorityKeyFile(folderOf('requester'));
  const given = [tokenFile, passwordFile, credsFile, settings.join.codeFile, settings.api.tokenFile];
  const files = [...given, tls.keyFile, settings.broker.tls.keyFile, caKey, nextKey, key];
  const identities = [
    ...roles.map(role => join(folderOf(role), identityFile)),
    join(folderOf('agent'), nextIdentityFile),
    ...[...Object.values(accessFiles), ...Object.values(tokenFiles)].map(name =>
      join(folderOf('requester'), name),
    ),
  ];
  for (const path of [...files, ...identities]) {
    const data = path ? await readBounded(path, 65_536).catch(() => undefined) : undefined;
    if (data) rememberSecret(data.toString('utf8'));
  }
  // It remembers the token of a join code that is not used yet.
  await inspectClusterFile(folderOf('agent')).catch(() => undefined);
  const names = await withFolder(folderOf('agent'), ({ at }) => readdir(at())).catch(() => []);
  for (const name of names.filter(each => each.includes('.registration.json'))) {
    const text =
      (await readBounded(join(folderOf('agent'), name)).catch(() => undefined))?.toString('utf8') ?? '';
    for (const [, session] of text.matchAll(/"session"\s*:\s*"([^"]+)"/g)) rememberSecret(session ?? '');
  }
}

function truncate(text: string): string {
  if (text.length <= longestFileChars) return text;
  return `(the first ${text.length - longestFileChars} characters are left out)\n${text.slice(-longestFileChars)}`;
}
