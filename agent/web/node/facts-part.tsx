// Shows who a node is, and where each fact comes from.
import type { RollRow } from '../../protocol/roll-rows.ts';
import { Ago } from '../shell/time.tsx';
import { factsOf } from './facts.ts';

export function FactsPart({ row }: { row: RollRow }) {
  return (
    <section aria-labelledby="facts">
      <h2 id="facts">Who it is</h2>
      <table class="facts">
        <thead class="unseen">
          <tr>
            <th scope="col">Fact</th>
            <th scope="col">Value</th>
            <th scope="col">Where it comes from</th>
          </tr>
        </thead>
        <tbody>
          {factsOf(row).map(({ label, value, from, at }) => (
            <tr key={label + value}>
              <th scope="row">{label}</th>
              <td>
                {value}{' '}
                {at !== undefined && (
                  <>
                    (<Ago at={at} />)
                  </>
                )}
              </td>
              <td class="dim">{from}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
