// Recognizes an orchestrator of Bacalhau by its answers, reads its refusals, and says in one sentence what it cannot do.
import type { IncomingMessage } from 'node:http';
import { ProtocolError } from '../protocol/error.ts';
import { type DecisionBody, serverHeader } from '../protocol/http.ts';
import { type ErrorCode, MusterError } from '../system/errors.ts';
import { readOrchestratorProblem } from './answers.ts';
import { noTokenFile } from './find-token.ts';
import { parseJson } from './read-response.ts';

/** An orchestrator of Bacalhau that has answered. */
export interface Orchestrator {
  readonly url: string;
  /** Its version, such as `v1.9.3`. */
  readonly version: string;
}

/** Returns the version of the orchestrator of Bacalhau that sent a response; undefined when another program did. */
export function orchestratorVersion({ headers }: Pick<IncomingMessage, 'headers'>): string | undefined {
  const version = headers['x-bacalhau-git-version'];
  // A requester of muster may send this header too.
  if (typeof version !== 'string' || headers[serverHeader.name.toLowerCase()] === serverHeader.value)
    return undefined;
  return /^[\w.+-]{1,64}$/.test(version) ? version : 'of an unknown version';
}

/** Returns the error for what only a requester of muster can do. `why` ends the sentence, such as `keeps no events`. */
export const cannot = ({ url, version }: Orchestrator, why: string, hint?: string): MusterError =>
  new MusterError('unsupported', `${url} is an orchestrator of Bacalhau ${version}, which ${why}`, { hint });

/**
 * Returns the error for a token that it does not know. Another program could say that it is an orchestrator and answer that a
 * decision was made, so the operator has to mean it.
 */
export function withoutProof({ version }: Orchestrator, error: unknown): unknown {
  if (!(error instanceof MusterError) || error.code !== 'not_allowed') return error;
  const hint = `it says that it is an orchestrator of Bacalhau ${version}, which knows no token of muster. If that is right, show it none: --api-token-file ${noTokenFile}`;
  return new MusterError(error.code, error.message, { hint, cause: error });
}

/** Why it cannot make a decision, and what helps instead. */
const unknownActions: Readonly<
  Partial<Record<DecisionBody['Action'], readonly [why: string, hint?: string]>>
> = {
  rekey: ['checks no keys of nodes'],
  cordon: ['cannot cordon nodes', 'to keep work away from a node, reject it, and approve it later'],
  uncordon: ['cannot cordon nodes'],
  drain: ['cannot drain nodes', 'to keep work away from a node, reject it, and approve it later'],
  forget: ['cannot forget nodes', 'muster node delete removes them'],
  undelete: ['keeps nothing of a deleted node', 'the node comes back when it registers again'],
  label: ['has no labels but those that the nodes send', 'set them in the configuration of the node'],
  rename: ['cannot rename nodes', 'give the node another name in its own configuration'],
};

/** What a decision asks for, as far as not every server can do it. */
export type ActionAsked = Pick<DecisionBody, 'Action' | 'Fingerprint' | 'Ban'>;

/** @throws MusterError `unsupported` for a decision that the orchestrator would refuse, or would make only in part */
export function requireKnown(orchestrator: Orchestrator, { Action, Fingerprint, Ban }: ActionAsked): void {
  const unknown = unknownActions[Action];
  if (unknown) throw cannot(orchestrator, ...unknown);
  if (Fingerprint !== undefined)
    throw cannot(orchestrator, 'checks no keys of nodes', 'decide without --fingerprint');
  if (Ban) throw cannot(orchestrator, 'cannot refuse a key for ever', 'delete the node without --ban');
}

/** What it does not have, by the paths of the API. */
const unknownPaths: readonly (readonly [path: string, why: string])[] = [
  ['/orchestrator/events', 'keeps no events'],
  ['/orchestrator/gone', 'keeps nothing of a deleted node'],
  ['/orchestrator/bans', 'bans no keys'],
  ['/orchestrator/operators', 'knows no operators'],
  ['/orchestrator/listeners', 'knows no listeners'],
  ['/orchestrator/join-codes', 'knows no join codes'],
  ['/orchestrator/authorities', 'has no CA for its nodes'],
  ['/orchestrator/operations', 'remembers no operations'],
  ['/orchestrator/bacalhau', 'tells nobody the token of its nodes'],
  ['/orchestrator/store', 'cannot mend its store'],
  ['/orchestrator/status', 'does not tell its state'],
];

/** Returns its refusal of a request as the error for an operator. `text` is the body that it sent, which may be no JSON. */
export function orchestratorRefusal(
  orchestrator: Orchestrator,
  { path, status, text }: { path: string; status: number; text: string },
): MusterError {
  const unknown = unknownPaths.find(([beginning]) => path.startsWith(beginning));
  if (unknown && status !== 401 && status !== 403) return cannot(orchestrator, unknown[1]);
  return refusedByText(orchestrator, path, reasonIn(text, status), status);
}

/**
 * Returns the error for a refusal by an orchestrator from 1.9 on that has users of its own; undefined for any other refusal. It says
 * its version only to them.
 */
export function usersOnly(url: string, status: number, body: unknown): MusterError | undefined {
  if (status !== 401 || readOrchestratorProblem(body).Component !== 'Authorizer') return undefined;
  return new MusterError(
    'not_allowed',
    `the program that answers at ${url} seems to be an orchestrator of Bacalhau, and answers only users of its own`,
    { hint: "use Bacalhau's command line there: muster has no login for it" },
  );
}

/**
 * Returns the error for its reason. Up to 1.5 it answers a decision that it refuses with 200 and this reason, and each version has
 * its own words for it.
 */
export function refusedByText(
  { url, version }: Orchestrator,
  path: string,
  reason: string,
  status = 200,
): MusterError {
  const id = path.slice(path.lastIndexOf('/') + 1);
  const already = /already (?:approved|rejected)/.exec(reason)?.[0];
  if (already) return new MusterError('conflict', `node ${id} ${already}`);
  if (/multiple nodes found/.test(reason))
    return new MusterError(
      'ambiguous',
      `Bacalhau ${version} cannot tell ${id} from the other ids that begin so`,
      {
        hint: 'give one of these nodes another name',
      },
    );
  if (/not found/i.test(reason) && path.startsWith('/orchestrator/nodes/'))
    return new MusterError('not_found', `node not found: ${id}`);
  if (status === 400) return new MusterError('usage', reason);
  const code = codesOfStatus[status] ?? 'failed';
  return new MusterError(code, `the orchestrator of Bacalhau ${version} at ${url} refused: ${reason}`);
}

const codesOfStatus: Readonly<Record<number, ErrorCode>> = { 401: 'not_allowed', 403: 'not_allowed' };

function reasonIn(text: string, status: number): string {
  try {
    const { Message, Error: cause } = readOrchestratorProblem(parseJson(text));
    return (status >= 500 && cause) || Message || `status ${status}`;
  } catch (error) {
    if (error instanceof ProtocolError) return `status ${status}`;
    throw error;
  }
}
