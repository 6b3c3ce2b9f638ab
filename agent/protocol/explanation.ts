// Defines what is told in words of the state of a node: how it came to it, what comes next, and what to do. A command and the
// page show the same words.

/** A label and its value, and maybe a further cell. A row that continues the one above has an empty label. */
export type TextRow = readonly [label: string, ...cells: string[]];

export interface TextSection {
  readonly title: string;
  readonly rows: readonly TextRow[];
}

/** A section in the answer of the API, whose members have names like all in its JSON. */
export interface ExplainedSection {
  Title: string;
  Rows: readonly TextRow[];
}

/** A thing to do. `Command` is what one types, on the machine of `On`; absent when any machine with a token will do. */
export interface Advice {
  Why: string;
  Command: string;
  On?: string;
}

/** The answer of `GET nodes/ID/explanation`. All texts may have any characters that a node sent. */
export interface ExplanationView {
  /** The state in one sentence without a full stop. */
  Title: string;
  /** What there is to say, a section for each of membership, health and others. */
  Sections: readonly ExplainedSection[];
  /** The labels, each with its value and where it comes from. */
  Labels: readonly TextRow[];
  Advice: readonly Advice[];
}
