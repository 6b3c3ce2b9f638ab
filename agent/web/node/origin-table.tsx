// A table of what is known of a node, with where each value comes from.
import type { ComponentChildren } from 'preact';

export interface OriginRow {
  readonly key: string;
  readonly name: string;
  readonly value: ComponentChildren;
  readonly from: string;
}

/** `of` is what the first column is called for a screen reader. */
export function OriginTable({ of, rows }: { of: string; rows: readonly OriginRow[] }) {
  return (
    <table class="facts">
      <thead class="unseen">
        <tr>
          <th scope="col">{of}</th>
          <th scope="col">Value</th>
          <th scope="col">Where it comes from</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, name, value, from }) => (
          <tr key={key}>
            <th scope="row">{name}</th>
            <td>{value}</td>
            <td class="dim">{from}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
