// Shows in words how a node came to its state, what comes next, and what to do: what `muster node explain` says.
import type { Advice, ExplainedSection, ExplanationView } from '../../protocol/explanation.ts';
import type { Answer } from '../feed/use-answer.ts';
import { CommandLine } from '../shell/command-line.tsx';
import { Part } from '../shell/part.tsx';

export function ExplanationPart({ answer: { value, fault } }: { answer: Answer<ExplanationView> }) {
  return (
    <Part id="explanation" title="Why it is so" fault={fault}>
      {value && <p class="title">{value.Title}.</p>}
      {value?.Sections.map(section => (
        <SectionPart key={section.Title} section={section} />
      ))}
      {value && <AdvicePart advice={value.Advice} />}
    </Part>
  );
}

function SectionPart({ section: { Title, Rows } }: { section: ExplainedSection }) {
  return (
    <>
      <h3>{Title}</h3>
      <dl class="rows">
        {grouped(Rows).map(([label, values]) => (
          <div key={label}>
            <dt>{label}</dt>
            {values.map(value => (
              <dd key={value}>{value}</dd>
            ))}
          </div>
        ))}
      </dl>
    </>
  );
}

function AdvicePart({ advice }: { advice: readonly Advice[] }) {
  if (advice.length === 0) return null;
  return (
    <>
      <h3>what to do</h3>
      <ul class="advice">
        {advice.map(({ Why, Command, On }) => (
          <li key={Command}>
            {Why}
            {On && `, on ${On}`}:
            <CommandLine command={Command} />
          </li>
        ))}
      </ul>
    </>
  );
}

/** Returns the rows with those that continue them, which have no label. */
function grouped(rows: ExplainedSection['Rows']): [label: string, values: string[]][] {
  const groups: [string, string[]][] = [];
  for (const [label, ...cells] of rows) {
    const last = groups.at(-1);
    if (label === '' && last) last[1].push(cells.join('  '));
    else groups.push([label, [cells.join('  ')]]);
  }
  return groups;
}
