// Shows the nodes in numbers. Each number leads to the nodes that it counts.
import { sizeText } from '../../protocol/unit-text.ts';
import { second, store } from '../feed/roll.ts';
import { Bar } from '../roll/bar.tsx';
import { fragmentOf } from '../shell/address.ts';
import { Part } from '../shell/part.tsx';
import { type Census, takeCensus } from './census.ts';

const approvals = ['PENDING', 'APPROVED', 'REJECTED'];
const statuses = ['HEALTHY', 'UNHEALTHY', 'UNKNOWN'];

export function CensusPart() {
  // Once a second is often enough, and costs little with many thousands of rows.
  second.value;
  if (!store.isReady) return <p class="dim">Waiting for the roll.</p>;
  const census = takeCensus(store.rows.values());
  return (
    <Part id="census" title={census.nodes === 1 ? '1 node' : `${census.nodes} nodes`}>
      <StateTable census={census} />
      <Capacity census={census} />
      {census.notes.length > 0 && (
        <dl class="rows">
          {census.notes.map(([what, nodes]) => (
            <div key={what}>
              <dt>{what}</dt>
              <dd>{nodes}</dd>
            </div>
          ))}
        </dl>
      )}
      <h3>versions</h3>
      <dl class="rows">
        {census.versions.map(([version, nodes]) => (
          <div key={version}>
            <dt>{version}</dt>
            <dd>{nodes}</dd>
          </div>
        ))}
      </dl>
    </Part>
  );
}

function StateTable({ census: { byState } }: { census: Census }) {
  return (
    <table class="states">
      <thead>
        <tr>
          <th scope="col">Approval</th>
          {statuses.map(status => (
            <th key={status} scope="col">
              {status}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {approvals.map(approval => (
          <tr key={approval}>
            <th scope="row">{approval}</th>
            {statuses.map(status => (
              <td key={status}>
                <StateCount
                  approval={approval}
                  status={status}
                  nodes={byState.get(`${approval} ${status}`) ?? 0}
                />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function StateCount({ approval, status, nodes }: { approval: string; status: string; nodes: number }) {
  if (nodes === 0) return <span class="dim">0</span>;
  const query = { 'filter-approval': approval, 'filter-status': status };
  return (
    <a href={fragmentOf('nodes', '', query)} aria-label={`${nodes} nodes: ${approval} and ${status}`}>
      {nodes}
    </a>
  );
}

function Capacity({ census: { ready, capacity, free } }: { census: Census }) {
  const amounts: [name: string, used: number, whole: number, text: (value: number) => string][] = [
    ['CPU', capacity.cpu - free.cpu, capacity.cpu, whole],
    ['Memory', capacity.memory - free.memory, capacity.memory, sizeText],
    ['Disk', capacity.disk - free.disk, capacity.disk, sizeText],
    ['GPU', capacity.gpu - free.gpu, capacity.gpu, whole],
  ];
  const offered = amounts.filter(([, , all]) => all > 0);
  return (
    <>
      <h3>{ready === 1 ? '1 node may be given work' : `${ready} nodes may be given work`}</h3>
      <dl class="rows">
        {offered.map(([name, used, all, text]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <Bar shares={[used / all]} text={`${text(used)} of ${text(all)} in use`} title={name} />
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}

const whole = (value: number): string => String(Math.round(value * 10) / 10);
