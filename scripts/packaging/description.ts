// Reads pkg.config.json, the one description of targets, assets and options. Its schema is that of pkg
// (https://github.com/yao-pkg/pkg), of which it uses a part.
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import * as v from 'valibot';
import { MusterError, reasonOf } from '../../agent/system/errors.ts';
import { assetNames } from '../../agent/system/packaged.ts';
import { checkout } from './checkout.ts';
import { type Target, type TargetName, targetNames, targetOf } from './target.ts';

const file = 'pkg.config.json';

/** Beside the checkout, `*` stands for the target's name. */
const asset = v.pipe(
  v.string(),
  v.check(
    path => (Object.values(assetNames) as string[]).includes(basename(path)),
    ({ input }) => `nothing is known of how to make ${input}`,
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
  /** The bundle, and the folder of the finished files: relative to the checkout. */
  readonly bundle: string;
  readonly output: string;
  readonly assets: readonly string[];
  readonly seaConfig: v.InferOutput<typeof schema>['pkg']['seaConfig'];
  /** Node's version by target. */
  readonly targets: ReadonlyMap<TargetName, string>;
}

/** @throws MusterError `bad_config` with all that is wrong. */
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
  const faults = issues.map(issue => `${v.getDotPath(issue) ?? 'the whole'}: ${issue.message}`);
  throw new MusterError('bad_config', `${file}: ${faults.join('; ')}`);
}

function readTarget(written: string): [TargetName, string] {
  const [, version = '', kind] = /^node([\d.]+)-(.+)$/.exec(written) ?? [];
  const target: Target | undefined = targetNames.map(targetOf).find(({ pkg }) => pkg === kind);
  if (target) return [target.name, version];
  throw new MusterError(
    'bad_config',
    `${file}: pkg.targets: ${written} is a kind of machine that muster is not made for`,
  );
}
