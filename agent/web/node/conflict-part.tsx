// Shows the two agents that want to be a node, side by side, so that their keys can be compared.
import type { RollAgent, RollRow } from '../../protocol/roll-rows.ts';
import { CommandLine } from '../shell/command-line.tsx';
import { Ago } from '../shell/time.tsx';

interface ConflictProps {
  id: string;
  conflict: NonNullable<RollRow['conflict']>;
}

const facts: readonly [name: string, member: keyof RollAgent][] = [
  ['fingerprint', 'fingerprint'],
  ['host', 'host'],
  ['address', 'address'],
  ['instance', 'instance'],
];

export function ConflictPart({ id, conflict: { at, agents } }: ConflictProps) {
  const refused = refusedKey(agents);
  const names = refused ? ['Is the node', 'Refused'] : ['One agent', 'The other one'];
  return (
    <section class="conflict" aria-labelledby="conflict">
      <h2 id="conflict">Two agents want to be this node</h2>
      <p>
        Last noticed <Ago at={at} />. What to do stands under “Why it is so”.
      </p>
      <table class="agents">
        <thead>
          <tr>
            <td />
            {agents.map((agent, index) => (
              <th key={agent.instance || index} scope="col">
                {names[index]}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {facts.map(([name, member]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {agents.map((agent, index) => (
                <td key={agent.instance || index} class={member === 'fingerprint' ? member : undefined}>
                  {agent[member] || 'none'}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {refused && (
        <>
          <p>Only if the refused one is this node after its machine was reinstalled, give the node to it:</p>
          <CommandLine command={`muster node rekey ${id} --fingerprint ${refused}`} />
        </>
      )}
    </section>
  );
}

/** Returns the fingerprint of the key that was refused; undefined when both agents have the same key, or none is checked. */
function refusedKey([holder, other]: readonly RollAgent[]): string | undefined {
  return other?.fingerprint && other.fingerprint !== holder?.fingerprint ? other.fingerprint : undefined;
}
