// Reads the pages of the project, and finds the `muster` commands in them.
import { readFile } from 'node:fs/promises';
import { pagePath } from '../../scripts/docs.ts';

export const readPage = (page: string): Promise<string> => readFile(pagePath(page), 'utf8');

/** Returns the targets of all links and pictures of a page, without those on other sites. */
export function linksOf(text: string): string[] {
  const prose = text.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter(target => !/^[a-z]+:/.test(target));
}

/** The arguments of a `muster` command on a page. In prose, a command may be named without the arguments that it needs. */
export interface Call {
  readonly args: string[];
  readonly prose: boolean;
}

/** Returns every `muster` command in the console and sh blocks of a page, and in its code spans. */
export function musterCalls(text: string): Call[] {
  const blocks = [...text.matchAll(/```(console|sh)\n([\s\S]*?)```/g)].flatMap(([, kind, block = '']) =>
    block
      // A line with a backslash at its end goes on in the next one.
      .replaceAll(/ \\\n +/g, ' ')
      .split('\n')
      .filter(line => kind === 'sh' || line.startsWith('$ '))
      .map(line => line.replace(/^\$ /, '')),
  );
  const spans = [...text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/`([^`\n]+)`/g)]
    .map(([, span = '']) => span)
    .filter(span => !/[…[|]|COMMAND/.test(span));
  return [...blocks.flatMap(line => callsIn(line, false)), ...spans.flatMap(line => callsIn(line, true))];
}

function callsIn(line: string, prose: boolean): Call[] {
  const word = String.raw`(?:"[^"]*"|'[^']*'|[^\s"'|&;<>()#]+)`;
  const start = String.raw`(?:^|&& |\| |; |\$\(|<\(|[A-Z_]+=\S+ )(?:\./(?:scripts/)?)?muster`;
  const calls = line.trim().matchAll(new RegExp(`${start}((?: +${word})+)`, 'g'));
  return [...calls].map(([, args = '']) => ({ args: words(args), prose }));
}

/** Splits a command line into words, as a shell does with its simple quotes. */
function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, double, single, plain]) => {
    return double ?? single ?? plain ?? '';
  });
}
