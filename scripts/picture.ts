// Draws docs/walk.svg: a terminal in which the walk of the README runs, on a real cluster that is started for it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runStep, stepsOf } from './walk.ts';

const checkout = new URL('../', import.meta.url);
const file = (path: string) => fileURLToPath(new URL(path, checkout));

interface Line {
  readonly text: string;
  /** Whether a person types this line, after a prompt. */
  readonly typed: boolean;
}

const nodes = 3;

/** Runs the walk of the README on a new cluster, and returns what a terminal shows of it. */
async function walk(): Promise<Line[]> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-picture-'));
  const variables = {
    MUSTER_DATA_DIR: folder,
    MUSTER_API_PORT: String(await freePort()),
    MUSTER_BROKER_PORT: String(await freePort()),
  };
  const dev = spawn(file('scripts/muster'), ['dev', '--nodes', String(nodes)], {
    env: { ...process.env, ...variables },
    stdio: 'ignore',
  });
  try {
    await untilHealthy(dev, variables);
    const steps = stepsOf(await readFile(file('README.md'), 'utf8'), 'walk');
    const lines: Line[] = [];
    for (const { command } of steps) {
      const { code, stdout, stderr } = await runStep(command, variables);
      if (code !== 0) throw new Error(`${command}: ${stderr}`);
      lines.push({ text: command, typed: true });
      lines.push(
        ...stdout
          .trimEnd()
          .split('\n')
          .map(text => ({ text, typed: false })),
      );
    }
    return lines;
  } finally {
    dev.kill('SIGINT');
    if (dev.exitCode === null) await once(dev, 'exit');
    await rm(folder, { recursive: true, force: true });
  }
}

async function untilHealthy(dev: ChildProcess, variables: Record<string, string>): Promise<void> {
  while (dev.exitCode === null) {
    const { stdout } = await runStep('muster node list --filter-status healthy --hide-header', variables);
    if (stdout.split('\n').filter(Boolean).length === nodes) return;
    await sleep(200);
  }
  throw new Error('muster dev ended; run it by hand to see why');
}

/** Returns a port on which nothing listens at this moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

/** Pixels. The text of a line is given its exact width, so that columns fit whatever font a reader has. */
const size = { letter: 8.4, line: 21, padding: 20, bar: 34 };
// Readable on a light page and on a dark one: the terminal is dark, and has a border.
const style = `
    text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #c9d1d9; white-space: pre }
    .typed { fill: #ffffff; font-weight: 600 }
    .prompt { fill: #7ee787 }`;

function svg(lines: readonly Line[]): string {
  const longest = Math.max(...lines.map(({ text, typed }) => text.length + (typed ? 2 : 0)));
  const width = Math.ceil(longest * size.letter) + 2 * size.padding;
  const height = size.bar + lines.length * size.line + size.padding;
  const dots = ['#ff5f57', '#febc2e', '#28c840'].map(
    (colour, index) => `<circle cx="${22 + 20 * index}" cy="18" r="6" fill="${colour}"/>`,
  );
  const rows = lines.map((line, index) => row(line, size.bar + (index + 0.8) * size.line));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
  <title>A walk through muster</title>
  <style>${style}
  </style>
  <rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="#161b22" stroke="#484f58"/>
  ${dots.join('')}
  ${rows.join('\n  ')}
</svg>
`;
}

function row({ text, typed }: Line, y: number): string {
  const { padding, letter } = size;
  if (!typed) return textElement(text, padding, y, '');
  return `${textElement('$', padding, y, 'prompt')}${textElement(text, padding + 2 * letter, y, 'typed')}`;
}

function textElement(text: string, x: number, y: number, name: string): string {
  const width = (text.length * size.letter).toFixed(1);
  const kind = name === '' ? '' : ` class="${name}"`;
  const attributes = `x="${x.toFixed(1)}" y="${y.toFixed(1)}" textLength="${width}" xml:space="preserve"`;
  return `<text${kind} ${attributes}>${escaped(text)}</text>`;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

if (import.meta.main) await writeFile(file('docs/walk.svg'), svg(await walk()));
