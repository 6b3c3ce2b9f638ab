// Shows the two agents that want to be a node, side by side, so that their keys can be compared.
import type { RollAgent, RollRow } from '../../protocol/roll-rows.ts';
import { Ago } from '../shell/time.tsx';

type Conflict = NonNullable<RollRow['conflict']>;

export function ConflictPart({ conflict: { at, agents } }: { conflict: Conflict }) {
  return (
    <section class="conflict" aria-labelledby="conflict">
      <h2 id="conflict">Two agents want to be this node</h2>
      <p>
        Last noticed <Ago at={at} />. What to do stands under “Why it is so”.
      </p>
      <div class="agents">
        {agents.map((agent, index) => (
          <Agent
            key={agent.instance || index}
            agent={agent}
            isRefused={index === 1 && agent.fingerprint !== ''}
          />
        ))}
      </div>
    </section>
  );
}

function Agent({ agent, isRefused }: { agent: RollAgent; isRefused: boolean }) {
  const { host, address, fingerprint, instance } = agent;
  const rows = [
    ['fingerprint', fingerprint || 'none'],
    ['host', host],
    ['address', address],
    ['instance', instance],
  ].filter(([, value]) => value);
  return (
    <dl class="rows">
      <div>
        <dt class="dim">{isRefused ? 'refused' : 'is the node'}</dt>
      </div>
      {rows.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd class={label === 'fingerprint' ? 'fingerprint' : undefined}>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
