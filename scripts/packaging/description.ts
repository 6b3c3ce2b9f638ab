// Reads pkg.config.json, which describes the targets, assets and options of the packaged file. It uses a part of the schema
// of pkg (https://github.com/yao-pkg/pkg).
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { MusterError, reasonOf } from '../../agent/system/errors.ts';
import { assetNames } from '../../agent/system/packaged.ts';
import { checkout } from './checkout.ts';
import { type Target, type TargetName, targetNames, targetOf } from './target.ts';

const file = 'pkg.config.json';

/** The path of the assets of the web page: all files of its folder. */
export const webAssets = 'build/web/*';

/** The path of an asset, relative to the checkout; `*` stands for the target's name, except in `webAssets`. */
const asset = v.pipe(
  v.string(),
  v.check(
    path => path === webAssets || (Object.values(assetNames) as string[]).includes(basename(path)),
    ({ input }) => `there is no asset called ${input}`,
  ),
);

const schema = v.strictObject({
  name: v.literal('muster'),
  bin: v.string(),
  pkg: v.strictObject({
    sea: v.literal(true),
    targets: v.pipe(
      v.array(v.pipe(v.string(), v.regex(/^node\d+\.\d+\.\d+-[a-z]+-[a-z0-9]+$/))),
      v.minLength(1),
    ),
    assets: v.array(asset),
    outputPath: v.string(),
    seaConfig: v.strictObject({
      disableExperimentalSEAWarning: v.boolean(),
      useCodeCache: v.boolean(),
      execArgv: v.array(v.string()),
      execArgvExtension: v.picklist(['none', 'env', 'cli']),
    }),
  }),
});

export interface Description {
  /** The paths of the bundle and of the folder for finished files, relative to the checkout. */
  readonly bundle: string;
  readonly output: string;
  readonly assets: readonly string[];
  readonly seaConfig: v.InferOutput<typeof schema>['pkg']['seaConfig'];
  /** The version of Node, by target. */
  readonly targets: ReadonlyMap<TargetName, string>;
}

/**
 * Reads the description from `text`, or from the file.
 * @throws MusterError `bad_config` with everything that is wrong.
 */
export async function readDescription(text?: string): Promise<Description> {
  const { bin, pkg } = parse(text ?? (await readFile(join(checkout, file), 'utf8')));
  const { targets, assets, outputPath, seaConfig } = pkg;
  return { bundle: bin, output: outputPath, assets, seaConfig, targets: new Map(targets.map(readTarget)) };
}

function parse(text: string): v.InferOutput<typeof schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new MusterError('bad_config', `${file}: ${reasonOf(cause)}`, { cause });
  }
  const { success, output, issues } = v.safeParse(schema, value);
  if (success) return output;
  const faults = issues.map(issue => `${v.getDotPath(issue) ?? 'the file'}: ${issue.message}`);
  throw new MusterError('bad_config', `${file}: ${faults.join('; ')}`);
}

function readTarget(written: string): [TargetName, string] {
  const [, version = '', kind] = /^node([\d.]+)-(.+)$/.exec(written) ?? [];
  const target: Target | undefined = targetNames.map(targetOf).find(({ pkg }) => pkg === kind);
  if (target) return [target.name, version];
  throw new MusterError('bad_config', `${file}: pkg.targets: muster is not made for ${written}`);
}
