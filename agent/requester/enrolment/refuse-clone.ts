// Keeps a clone out: of two running processes with the key of a node, the one that came first stays.
import type { Refusal } from '../../protocol/refusal.ts';
import { aliveAnswerSubject, aliveSubject } from '../../protocol/subjects.ts';
import type { Connection } from '../../transport/port.ts';
import { refusalOf } from './access-rules.ts';
import type { Applicant } from './applicant.ts';
import type { LiveConnection } from './live-connection.ts';
import type { LiveConnections } from './live-connections.ts';

/** Time that a running agent has to say that it is alive, in milliseconds. */
const aliveTimeoutMs = 5_000;

/**
 * Returns the refusal for an applicant while another process with its key is alive. Otherwise it returns undefined, and has
 * ended the earlier connection of the key: that of the same process, or of one that does not answer.
 */
export async function refuseClone(
  { key, name, question }: Applicant,
  { live, connection }: { live: LiveConnections; connection: Pick<Connection, 'request'> },
): Promise<Refusal | undefined> {
  const earlier = live.of(key);
  if (!earlier) return undefined;
  if (earlier.instance !== name.instance) {
    const isAlive = await connection
      .request(aliveSubject(name.node), '', aliveTimeoutMs, aliveAnswerSubject(name.node))
      .then(
        () => true,
        () => false,
      );
    if (isAlive && live.of(key) === earlier) return cloneRefusal(key, name.node, earlier, question.host);
  }
  // When a machine lost its power, the program beside the agent is gone with it.
  await live.end(key, earlier.instance === name.instance ? ['agent'] : ['agent', 'work']);
  return undefined;
}

function cloneRefusal(key: string, node: string, other: LiveConnection, host: string): Refusal {
  const reason = `another running agent uses the key of node ${node}: it connects from ${other.host}, and this one from ${host}`;
  const hint = 'stop one of them; or make the copy a node of its own: muster agent reset-identity';
  return refusalOf(key, 'clone', reason, hint, { id: node, key });
}
