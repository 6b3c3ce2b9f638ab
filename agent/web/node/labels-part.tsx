// Shows the labels of a node, each with where it comes from.
import type { TextRow } from '../../protocol/explanation.ts';

export function LabelsPart({ labels }: { labels: readonly TextRow[] }) {
  return (
    <section aria-labelledby="labels">
      <h2 id="labels">Labels</h2>
      {labels.length === 0 ? (
        <p class="dim">It has none.</p>
      ) : (
        <table class="facts">
          <thead class="unseen">
            <tr>
              <th scope="col">Label</th>
              <th scope="col">Value</th>
              <th scope="col">Where it comes from</th>
            </tr>
          </thead>
          <tbody>
            {labels.map(([key, value, origin]) => (
              <tr key={key}>
                <th scope="row">{key}</th>
                <td>{value}</td>
                <td class="dim">{origin}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
