// Makes the packaged file for one kind of machine, with everything that is released beside it. scripts/package runs it.
import { dirname, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { showError } from '../agent/output/errors.ts';
import { MusterError } from '../agent/system/errors.ts';
import type { Carried, Missing } from '../agent/system/packaged.ts';
import { type Built, build } from './packaging/build.ts';
import { commitDate } from './packaging/commit-date.ts';
import { type Released, release } from './packaging/release.ts';
import { ownTarget, type Target, targetNames, targetOf } from './packaging/target.ts';

const usage = `usage: scripts/package [--target TARGET] [--broker FILE] [--fast]

  --target  ${targetNames.join(', ')}; the default is this machine's kind
  --broker  the nats-server to put into the file; the default is the pinned version, built by Go
  --fast    compress less, to try things out
`;

process.exitCode = await main().catch(error => showError(error));

async function main(): Promise<number> {
  const { target, broker, fast, help } = readArguments();
  if (help) {
    process.stdout.write(usage);
    return 0;
  }
  process.stderr.write(`muster: packaging for ${target.name}\n`);
  const date = await commitDate();
  const built = await build({ target, broker, fast });
  process.stderr.write('muster: compressing\n');
  const folder = dirname(dirname(built.file));
  process.stdout.write(describe(built, await release({ built, target, date, fast, folder })));
  return 0;
}

function readArguments(): { target: Target; broker: string | undefined; fast: boolean; help: boolean } {
  const options = {
    target: { type: 'string' },
    broker: { type: 'string' },
    fast: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  try {
    const { values } = parseArgs({ options });
    const name = targetNames.find(each => each === values.target);
    if (values.target !== undefined && !name) throw new Error(`there is no target ${values.target}`);
    const target = name ? targetOf(name) : ownTarget();
    if (!target)
      throw new Error(`muster is not made for ${process.platform}-${process.arch}: choose a --target`);
    return { target, broker: values.broker, fast: values.fast === true, help: values.help === true };
  } catch (cause) {
    throw new MusterError('usage', cause instanceof Error ? cause.message : String(cause), {
      hint: usage.trimEnd(),
      cause,
    });
  }
}

function describe({ file, sizeBytes, contents, remarks }: Built, released: Released): string {
  const { node, broker, probe, untried } = contents;
  const rows = [
    ...[{ what: 'file', path: file, sizeBytes }, ...released.files].map(each => [
      each.what,
      `${relative(process.cwd(), each.path)}, ${sizeText(each.sizeBytes)}`,
    ]),
    ['Node', node],
    ['nats-server', 'missing' in broker ? broker.missing : broker.version],
    ['native probe', inside(probe)],
    ...[...remarks, ...released.remarks, ...(untried ? [untried] : [])].map(remark => ['note', remark]),
  ];
  return rows.map(([name = '', text]) => `${name.padEnd(14)}${text}\n`).join('');
}

function sizeText(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function inside(part: Carried | Missing): string {
  return 'missing' in part ? 'none' : 'yes';
}
