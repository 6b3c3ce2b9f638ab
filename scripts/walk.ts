// Reads and replays walks. A walk is the commands between `<!-- walk -->` and `<!-- /walk -->` on a page, with their
// output.
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const main = process.env.TEST_PROGRAM ?? fileURLToPath(new URL('../agent/main.ts', import.meta.url));

/** A command as a reader types it after `$ `, and the lines that stand below it. */
export interface Step {
  readonly command: string;
  readonly output: string;
}

/** Returns the steps of all console blocks between `<!-- NAME -->` and `<!-- /walk -->`, in order. */
export function stepsOf(text: string, name: string): Step[] {
  const walks = text.matchAll(/<!-- (walk[^>]*) -->\n([\s\S]*?)<!-- \/walk -->/g);
  const inside = [...walks].filter(([, mark]) => mark === name).map(([, , body = '']) => body);
  const blocks = inside.flatMap(body => [...body.matchAll(/```console\n([\s\S]*?)```/g)]);
  return blocks
    .flatMap(([, block = '']) => [...block.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)])
    .map(([, command = '', output = '']) => ({ command, output }));
}

/** Makes a pattern of the output on a page. `…` stands for any text, and `…` alone on a line for any number of lines. */
export function patternOf(output: string): RegExp {
  const lines = output
    .split('\n')
    .slice(0, -1)
    .map(line => (line === '…' ? '(?:.*\\n)*' : `${linePattern(line)}\\n`));
  return new RegExp(`^${lines.join('')}$`);
}

// A column is as wide as its widest cell, which may differ from the widest one on the page.
function linePattern(line: string): string {
  return line
    .split('…')
    .map(part => RegExp.escape(part).replaceAll(/(?:\\x20|\s){2,}/g, ' {2,}'))
    .join('.*');
}

export interface Printed {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command of a walk in a shell to which `muster` is the program from source. */
export async function runStep(
  command: string,
  variables: Readonly<Record<string, string>>,
): Promise<Printed> {
  const script = `muster() { '${process.execPath}' '${main}' "$@"; }\n${command}`;
  const { PATH = '', HOME = '', TMPDIR = '/tmp', NODE_COMPILE_CACHE } = process.env;
  const compiled = NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {};
  const child = spawn('bash', ['-c', script], {
    env: { PATH, HOME, TMPDIR, LANG: 'C.UTF-8', ...compiled, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}
