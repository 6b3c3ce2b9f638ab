// Makes the packaged file for a target from its parts, as pkg.config.json describes it.
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { completionScript } from '../../agent/cli/completion/scripts.ts';
import { MusterError } from '../../agent/system/errors.ts';
import { assetNames, type PackagedContents, webAssetPrefix } from '../../agent/system/packaged.ts';
import { version } from '../../agent/system/version.ts';
import { packBroker } from './broker.ts';
import { bundle } from './bundle.ts';
import { checkout } from './checkout.ts';
import { writeChunks } from './chunk-files.ts';
import { readDescription, webAssets } from './description.ts';
import { writeExecutable } from './executable.ts';
import { ownLicence } from './licence-texts.ts';
import { type Notice, writeNotices } from './notices.ts';
import { npmNotices } from './npm-notices.ts';
import { packProbe } from './probe.ts';
import { runtime } from './runtime.ts';
import { giveSecondName } from './second-name.ts';
import { isOwn, type Target } from './target.ts';
import { buildWeb } from './web.ts';

export interface BuildOptions {
  readonly target: Target;
  /** A nats-server to put into the file instead of the pinned one. */
  readonly broker?: string | undefined;
  /** Whether to compress the broker less, which saves a quarter of a minute in a trial. */
  readonly fast?: boolean;
  /** The folder in which the folders of the description are made: the checkout, or a test's own folder. */
  readonly root?: string | undefined;
}

export interface Built {
  /** The path of the executable. */
  readonly file: string;
  /** Its size in bytes. */
  readonly sizeBytes: number;
  readonly contents: PackagedContents;
  /** The paths of its parts, by name. Each part is also a file of its own. */
  readonly parts: Readonly<Record<string, string>>;
  /** The packages of others that are in it, besides Node and the broker. */
  readonly listed: { readonly npm: readonly Listed[]; readonly crates: readonly Listed[] };
  /** Notes for the person who packages, one sentence each. */
  readonly remarks: readonly string[];
}

/** A notice without the texts of its licence. */
export type Listed = Omit<Notice, 'texts'>;

/**
 * Makes the parts and the executable.
 * @throws MusterError when a part cannot be made.
 */
export async function build(options: BuildOptions): Promise<Built> {
  const { target, broker: given, fast = false, root = checkout } = options;
  const description = await readDescription();
  const nodeVersion = description.targets.get(target.name);
  if (!nodeVersion)
    throw new MusterError('bad_config', `pkg.config.json: ${target.name} is not among pkg.targets`);
  const script = join(root, description.bundle);
  const folder = join(dirname(script), target.name);
  await mkdir(folder, { recursive: true });
  // When it cannot be downloaded, the build of the broker has not begun, which would go on for a minute.
  const node = await runtime(target, nodeVersion, folder);
  const [program, web, broker, probe] = await Promise.all([
    bundle(),
    buildWeb(join(root, dirname(webAssets))),
    packBroker(target, given, fast),
    packProbe(target),
  ]);
  const contents: PackagedContents = {
    target: target.name,
    node: nodeVersion,
    probe: probe.carried,
    broker: broker.carried,
    ...(target.platform === process.platform ? {} : { untried: `made on ${process.platform}, and not run` }),
  };
  const npm = await npmNotices([...new Set([...program.packages, ...web.packages, 'node_modules/rolldown'])]);
  const notices = writeNotices([
    {
      title: 'The program',
      notices: [{ name: 'muster', version, licence: 'Apache-2.0', texts: await ownLicence() }],
    },
    {
      title: 'Node.js',
      notices: [
        {
          name: 'Node.js',
          version: nodeVersion,
          licence: 'MIT, and those of its parts',
          texts: [node.licence],
        },
      ],
    },
    {
      title: 'Packages of npm in the program and its web page',
      notices: npm,
    },
    { title: 'The broker, nats-server, and its modules', notices: broker.notices },
    { title: 'Crates in the native probe', notices: probe.notices },
  ]);
  const made: Record<string, string | Uint8Array | undefined> = {
    [assetNames.contents]: `${JSON.stringify(contents, undefined, 2)}\n`,
    [assetNames.notices]: notices,
    [assetNames.broker]: broker.bytes,
    [assetNames.probe]: probe.bytes,
    [assetNames.bash]: await completionScript('bash'),
    [assetNames.zsh]: await completionScript('zsh'),
    [assetNames.fish]: await completionScript('fish'),
  };
  await writeFile(script, program.main);
  const withCache = description.seaConfig.useCodeCache && isOwn(target);
  const assets = await writeChunks(program.chunks, { folder: join(folder, 'chunks'), withCache });
  for (const pattern of description.assets) {
    if (pattern === webAssets) {
      for (const name of web.names) assets[webAssetPrefix + name] = join(root, dirname(webAssets), name);
      continue;
    }
    const path = join(root, pattern.replace('*', target.name));
    const data = made[basename(path)];
    // A file that an earlier build left must not be taken for a part of this one.
    await rm(path, { force: true });
    if (data === undefined) continue;
    await writeFile(path, data);
    assets[basename(path)] = path;
  }
  const file = join(root, description.output, target.name, 'muster');
  await writeExecutable(
    { target, node: node.binary, bundle: script, assets, seaConfig: description.seaConfig, folder },
    file,
  );
  if (isOwn(target)) await giveSecondName(file, join(root, description.output, 'muster'));
  return {
    file,
    sizeBytes: (await stat(file)).size,
    contents,
    parts: { bundle: script, node: node.binary, ...assets },
    listed: { npm: npm.map(listed), crates: probe.notices.map(listed) },
    remarks: [...node.remarks, ...broker.remarks, ...probe.remarks],
  };
}

const listed = ({ name, version, licence }: Notice): Listed => ({ name, version, licence });
