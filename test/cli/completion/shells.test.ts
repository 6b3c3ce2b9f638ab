// Tests completion in real shells at a real terminal, where they exist, with a requester to ask.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Shell } from '../../../agent/cli/completion/scripts.ts';
import { unquoted } from '../../../agent/cli/completion/unquoted.ts';
import { cluster, serve } from '../../requester/api/api-fixture.ts';
import { findProgram } from '../../support/find-program.ts';
import { muster, temporaryFolder } from '../program.ts';
import { noTerminal, Terminal } from './terminal.ts';

const main = fileURLToPath(new URL('../../../agent/main.ts', import.meta.url));

/** Keys that complete: `ALL` inserts every word that fits, and `TAB` inserts what those words have in common. */
const ALL = '\u001b*';
const TAB = '\t';
/** A key that prints the line and then empties it. */
const SHOW = '\u0014';
const LEFT = '\u001b[D';

/** Lines that TAB completes, each with the result. */
const common: [typed: string, completed: string][] = [
  ['muster no', 'muster node '],
  ['muster node des', 'muster node describe '],
  ['muster node list --filter-a', 'muster node list --filter-approval '],
  ['muster node list -o js', 'muster node list -o json '],
  ['muster node list --output=js', 'muster node list --output=json '],
  ['muster node describe node-3', 'muster node describe node-3 '],
  ['muster events --node=node-2', 'muster events --node=node-2 '],
  ['bin/muster vers', 'bin/muster version '],
  ['m vers', 'm version '],
  ['muster --config pl', 'muster --config plain.yaml '],
  ['muster --config=pl', 'muster --config=plain.yaml '],
  ['muster --config wi', 'muster --config with\\ space.yaml '],
  ['muster --config=wi', 'muster --config=with\\ space.yaml '],
  ['muster --config it', "muster --config it\\'s.yaml "],
  ["muster --config 'wi", "muster --config 'with space.yaml' "],
  ['muster node approve "node-2', 'muster node approve "node-2" '],
  ['muster --config "with space.yaml" vers', 'muster --config "with space.yaml" version '],
  ['muster --config ~/pl', 'muster --config ~/plain.yaml '],
  ['muster --config \\$', 'muster --config \\$dollar.yaml '],
  ['muster --config=eq=', 'muster --config=eq=x.yaml '],
  ['muster --config col:', 'muster --config col:on.yaml '],
  ['muster --config=col:', 'muster --config=col:on.yaml '],
  ['muster probe --record fo', 'muster probe --record folder/'],
  ['muster probe --record pl', 'muster probe --record pl'],
  ['muster node list pl', 'muster node list pl'],
  ['muster nonsense ', 'muster nonsense '],
];

/** Lines with all the words that fit. */
const lists: [typed: string, words: string][] = [
  [
    'muster node ',
    'approve bans cordon delete describe drain explain label list prune reject rekey rename unban uncordon undelete',
  ],
  ['muster node approve ', 'node-1 node-2 node-3'],
  ['muster node describe ', 'node-0 node-1 node-2 node-3'],
  ['muster node list -o ', 'ansible csv json name table wide yaml'],
  ['muster --log-level ', 'debug error info silent trace warn'],
  ['muster completion ', 'bash fish zsh'],
];

interface Scene {
  folder: string;
  env: Record<string, string>;
}

/** Makes a folder with files of awkward names, `muster` on PATH, and a requester that knows four nodes. */
async function scene(t: TestContext): Promise<Scene> {
  const folder = await temporaryFolder(t);
  const api = await serve(t, cluster());
  const files = ['plain', 'with space', "it's", '$dollar', 'eq=x', 'col:on'];
  await Promise.all(files.map(name => writeFile(join(folder, `${name}.yaml`), '')));
  await mkdir(join(folder, 'folder'));
  await mkdir(join(folder, 'bin'));
  // Completion gets more time than for a person, because the machine may be busy.
  const program = `#!/bin/sh
if [ "$1" = completion-words ]; then shift; set -- completion-words --within 1m "$@"; fi
exec '${process.execPath}' '${main}' "$@"
`;
  await writeFile(join(folder, 'bin', 'muster'), program, { mode: 0o755 });
  const PATH = `${join(folder, 'bin')}:${process.env.PATH}`;
  return { folder, env: { PATH, HOME: folder, MUSTER_API_PORT: String(api.port) } };
}

/** Returns why `shell` cannot be tested here; undefined when it can. */
async function absent(shell: Shell): Promise<string | undefined> {
  return findProgram(shell).then(noTerminal, () => `there is no ${shell} on PATH`);
}

/** Types each line and the key that completes it, and returns the completed lines. */
async function typeInto(terminal: Terminal, lines: string[], completing: string): Promise<string[]> {
  const found: string[] = [];
  for (const line of lines) {
    terminal.type(`${line}${completing}${SHOW}`);
    // After the next prompt the shell itself reads the keys again, not the terminal.
    found.push(await terminal.shows(/<<(.*)>>\s+READY /));
  }
  return found;
}

async function check(terminal: Terminal, more: typeof common = []): Promise<void> {
  await terminal.shows(/READY/);
  const lines = [...common, ...more];
  const typed = await typeInto(
    terminal,
    lines.map(([line]) => line),
    TAB,
  );
  assert.deepEqual(
    typed,
    lines.map(([, completed]) => completed),
  );
  const all = await typeInto(
    terminal,
    lists.map(([line]) => line),
    ALL,
  );
  for (const [index, [line, words]] of lists.entries()) {
    const found = all[index] ?? '';
    assert.ok(found.startsWith(line), found);
    assert.equal(found.slice(line.length).split(/ +/).filter(Boolean).sort().join(' '), words);
  }
}

test('bash completes words', async t => {
  const why = await absent('bash');
  if (why) return t.skip(why);
  const { folder, env } = await scene(t);
  const rc = join(folder, 'rc');
  await writeFile(
    rc,
    `PS1='READY '
alias m=muster
bind 'set bell-style none'
show() { printf '<<%s>>\\n' "$READLINE_LINE"; READLINE_LINE='' READLINE_POINT=0; }
bind -x '"\\C-t": show'
source <(muster completion bash)
complete -o default -F _muster m
`,
  );
  await check(new Terminal(t, `bash --noprofile --rcfile '${rc}' -i`, { cwd: folder, env }), [
    // bash has escaped the first name. In the second line, the cursor is in the middle.
    ['muster --config col\\:', 'muster --config col\\:on.yaml '],
    [`muster no list${LEFT.repeat(5)}`, 'muster node list'],
  ]);
});

test('zsh completes words', async t => {
  const why = await absent('zsh');
  if (why) return t.skip(why);
  const { folder, env } = await scene(t);
  await writeFile(
    join(folder, '.zshrc'),
    `PS1='READY '
unsetopt beep prompt_sp
unset zle_bracketed_paste
setopt complete_aliases
autoload -Uz compinit && compinit -D -u
zle -C all-matches complete-word _generic
bindkey '\\e*' all-matches
zstyle ':completion:all-matches::::' completer _all_matches _complete
zstyle ':completion:all-matches:*' insert true
show-line() { zle -I; print -r -- "<<$BUFFER>>"; BUFFER='' }
zle -N show-line
bindkey '^T' show-line
alias m=muster
source <(muster completion zsh)
compdef _muster m
`,
  );
  await check(new Terminal(t, 'zsh -d -i', { cwd: folder, env: { ...env, ZDOTDIR: folder } }));
});

test('fish completes words', async t => {
  const why = await findProgram('fish').then(
    () => undefined,
    () => 'there is no fish on PATH',
  );
  if (why) return t.skip(why);
  const { folder, env } = await scene(t);
  // fish prints what it would complete, without a terminal.
  const file = join(folder, 'ask.fish');
  await writeFile(
    file,
    `muster completion fish | source
complete -c m -w muster
for line in $argv
    echo "> $line"
    complete -C $line
end
`,
  );
  const lines = [...common, ...lists].map(([line]) => line);
  const { stdout } = await promisify(execFile)('fish', ['--no-config', file, ...lines], { cwd: folder, env });
  const answers = stdout.split(/^> (.*)\n/m).slice(1);
  const offered = (line: string) => {
    const answer = answers[answers.indexOf(line) + 1] ?? '';
    return answer.replaceAll(/\t.*/g, '').split('\n').filter(Boolean);
  };
  for (const [line, completed] of common) {
    const words = completed.endsWith(' ') || completed.endsWith('/') ? [lastWord(completed)] : [];
    assert.deepEqual(offered(line), completed === line ? [] : words, line);
  }
  for (const [line, words] of lists) assert.deepEqual(offered(line).sort().join(' '), words, line);
});

/** Returns the last word of a line as the program would get it. */
function lastWord(line: string): string {
  const words = line.trim().match(/(?:\\.|"[^"]*"|'[^']*'|[^ ])+/g) ?? [];
  return unquoted(words.at(-1) ?? '');
}

for (const shell of ['bash', 'zsh', 'fish'] as const) {
  test(`the script for ${shell} says how to install it`, async t => {
    const { code, stdout, stderr } = await muster(t, ['completion', shell]);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, new RegExp(`^# {3}for every user {4}muster completion ${shell} > /usr/share/`, 'm'));
  });

  test(`the script for ${shell} has no syntax error`, async t => {
    const path = await findProgram(shell).catch(() => undefined);
    if (!path) return t.skip(`there is no ${shell} on PATH`);
    await promisify(execFile)(path, ['-n', scriptFile(shell)]);
  });
}

test('shellcheck finds nothing in the script for bash', async t => {
  const path = await findProgram('shellcheck').catch(() => undefined);
  if (!path) return t.skip('there is no shellcheck on PATH');
  await promisify(execFile)(path, [scriptFile('bash')]);
});

const scriptFile = (shell: Shell): string =>
  fileURLToPath(new URL(`../../../agent/cli/completion/muster.${shell}`, import.meta.url));
