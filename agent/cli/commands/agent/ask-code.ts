// Gets a join code for a command: from a file, from the settings, or from standard input. It is never an argument, because
// every user of a machine can read command lines, and a shell keeps them.
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { maxGivenBytes, readGivenCode } from '../../../compute/registration/given-code.ts';
import type { Settings } from '../../../config/settings.ts';
import { codeIdOf, type JoinCode, readJoinCode } from '../../../protocol/join-code.ts';
import { MusterError, reasonOf } from '../../../system/errors.ts';
import { readBounded } from '../../../system/read-file.ts';
import { rememberSecret } from '../../../system/secrets.ts';

/** Where a command looks for a code. */
export interface CodeSources {
  /** The value of `--code-file`. */
  file: string | undefined;
  join: Settings['join'];
  input: NodeJS.ReadStream;
  /** Shows a question to the person at the terminal. */
  ask(question: string): void;
  now: Date;
}

/**
 * Returns the code and its line: from `--code-file`, else from the settings, else from standard input. @throws MusterError
 * `failed` for a bad code, `usage` when there is none.
 */
export async function askCode(sources: CodeSources): Promise<{ line: string; code: JoinCode }> {
  const { text, place } = await findText(sources);
  const line = text.replace(/\s+/g, '');
  return { line, code: readGivenCode(line, place, sources.now) };
}

/** @throws MusterError `bad_config` when the settings have another login, with which the agent would not use the code. */
export function refuseOtherLogin(nats: Settings['nats']): void {
  const login = otherLogin(nats);
  if (login === undefined) return;
  throw new MusterError(
    'bad_config',
    `nats.${login} is set, and an agent that logs in with it uses no join code`,
    { hint: `remove nats.${login} from the settings of this machine, and give the code again` },
  );
}

/** Returns the setting with which the agent logs in instead of with its key; undefined when there is none. */
export const otherLogin = (nats: Settings['nats']): keyof Settings['nats'] | undefined =>
  (['token', 'tokenFile', 'user', 'credsFile'] as const).find(name => nats[name] !== undefined);

/** Refuses words on the command line that may be a code, without showing them. @throws MusterError `usage` */
export function refuseCodeArgument(words: readonly string[]): void {
  const [word] = words;
  if (word === undefined) return;
  rememberSecret(word);
  const reading = readJoinCode(word);
  if (reading.kind === 'not_a_code')
    throw new MusterError('usage', 'agent join takes no arguments', { hint: 'it asks for the code' });
  const id = reading.kind === 'valid' ? codeIdOf(reading.code.token) : undefined;
  throw new MusterError(
    'usage',
    'a join code is never an argument: every user of this machine can read it there',
    {
      hint: `revoke it on the requester, because your shell keeps it (muster join-code revoke ${id ?? 'ID'}), and give a new one when the command asks for it`,
    },
  );
}

async function findText({ file, join, input, ask }: CodeSources): Promise<{ text: string; place: string }> {
  if (file !== undefined) return { text: await readFileText('--code-file', file), place: file };
  if (join.code !== undefined) return { text: join.code, place: 'join.code' };
  if (join.codeFile !== undefined) {
    return { text: await readFileText('join.codeFile', join.codeFile), place: join.codeFile };
  }
  const text = input.isTTY ? await readLine(input, ask) : await readAll(input);
  if (text.trim()) return { text, place: 'standard input' };
  throw new MusterError('usage', 'there is no join code on standard input', {
    hint: 'give it on standard input or in a file (--code-file); make one on the requester: muster join-code create',
  });
}

async function readFileText(setting: string, path: string): Promise<string> {
  const data = await readBounded(path, maxGivenBytes).catch((error: unknown) => {
    throw new MusterError('failed', `${setting}: ${reasonOf(error)}`, { cause: error });
  });
  if (data) return data.toString('utf8');
  throw new MusterError('failed', `${setting}: there is no file ${path}`);
}

/** Returns the line that a person types or pastes; empty when the terminal is closed. */
async function readLine(input: NodeJS.ReadStream, ask: (question: string) => void): Promise<string> {
  ask('Join code (from "muster join-code create" on the requester): ');
  // Without an output, readline keeps the terminal as it is and stores no history.
  const lines = createInterface({ input, terminal: false });
  try {
    const [line] = await Promise.race([once(lines, 'line'), once(lines, 'close').then(() => [''])]);
    return String(line);
  } finally {
    lines.close();
  }
}

async function readAll(input: NodeJS.ReadStream): Promise<string> {
  let text = '';
  for await (const chunk of input) {
    text += chunk;
    if (text.length <= maxGivenBytes) continue;
    throw new MusterError(
      'failed',
      `standard input: more than ${maxGivenBytes} bytes, which is no join code`,
    );
  }
  return text;
}
