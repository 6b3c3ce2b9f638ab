// Finds the operator's token that a command shows: in the settings, in the requester's folder, or where the requester says.
import { dataFolder, operatorTokenFile } from '../config/paths.ts';
import type { Settings } from '../config/settings.ts';
import { operatorOf } from '../protocol/operator-token.ts';
import { errnoOf, MusterError, reasonOf } from '../system/errors.ts';
import { printable } from '../system/printable.ts';
import { readBounded, readOwnFile } from '../system/read-file.ts';
import { rememberSecret } from '../system/secrets.ts';

export interface FoundToken {
  text: string;
  /** The operator in the token. */
  operator: string;
  /** The setting or the file that it comes from. */
  from: string;
}

/** Finds tokens. Each function returns the tokens that may be the right one, and says of each place why it has none. */
export interface TokenSource {
  /** Looks in the settings, or if they name none, in the requester's folder on this machine. */
  here(): Promise<FoundTokens>;
  /** Looks in the file that the requester has named. Only for a requester on this machine. */
  in(file: string): Promise<FoundTokens>;
}

export interface FoundTokens {
  tokens: FoundToken[];
  /** Why a place has no token, a sentence each. */
  missed: string[];
  /** Whether the settings name a token, so that no other one is meant. */
  isGiven: boolean;
}

/** Returns the source of tokens for a command with these settings. */
export function tokenSource(settings: Pick<Settings, 'api' | 'dataDir'>): TokenSource {
  const { token, tokenFile } = settings.api;
  return {
    async here() {
      if (token !== undefined) return { tokens: [given(token, 'api.token')], missed: [], isGiven: true };
      if (tokenFile === noTokenFile) return { tokens: [], missed: [], isGiven: true };
      if (tokenFile !== undefined) return { tokens: [await readGiven(tokenFile)], missed: [], isGiven: true };
      const folder = await dataFolder(settings).catch(() => undefined);
      return folder === undefined ? nowhere : readFirst(operatorTokenFile(folder));
    },
    in: readFirst,
  };
}

/** The file that means that no token is shown, for an orchestrator of Bacalhau on a machine that has a token. */
export const noTokenFile = '/dev/null';

const nowhere: FoundTokens = { tokens: [], missed: [], isGiven: false };

/** Returns a token that the operator gave. @throws MusterError `bad_config` for anything else, which it does not quote. */
function given(text: string, from: string): FoundToken {
  rememberSecret(text);
  const operator = operatorOf(text);
  if (operator !== undefined) return { text, operator, from };
  throw new MusterError('bad_config', `${from}: this is no operator's token, which begins with mop_`, {
    hint: 'make one: muster operator create NAME',
  });
}

async function readGiven(path: string): Promise<FoundToken> {
  const data = await readBounded(path, 1024).catch((error: unknown) => {
    const code = isForbidden(error) ? 'not_allowed' : 'bad_config';
    throw new MusterError(code, `api.tokenFile: ${reasonOf(error)}`, { cause: error });
  });
  if (!data) throw new MusterError('bad_config', `api.tokenFile: there is no file ${path}`);
  return given(data.toString('utf8').trim(), `api.tokenFile (${path})`);
}

/** Reads the file of the first token. A program that is not the requester may have named it, so nothing of it is shown. */
async function readFirst(path: string): Promise<FoundTokens> {
  const shown = printable(path, 300);
  try {
    const kept = await readOwnFile(path, 1024);
    if (!kept) return nowhere;
    const text = kept.data.toString('utf8').trim();
    const operator = operatorOf(text);
    if (operator === undefined) return { ...nowhere, missed: [`${shown} has no operator's token`] };
    rememberSecret(text);
    return { ...nowhere, tokens: [{ text, operator, from: shown }] };
  } catch (error) {
    const why = isForbidden(error) ? 'may not be read by this user' : 'cannot be read';
    return { ...nowhere, missed: [`${shown} ${why}`] };
  }
}

function isForbidden(error: unknown): boolean {
  const cause = error instanceof MusterError ? error.cause : error;
  return /^(EACCES|EPERM)$/.test(errnoOf(cause) ?? '');
}
