// Subject templates say which further subjects an approved node may use. In them `{nodeId}` stands for the id of the node.

const placeholder = '{nodeId}';

/** The subjects that an operator opens for approved nodes, as templates. */
export interface SubjectTemplates {
  publish: readonly string[];
  subscribe: readonly string[];
}

/**
 * The first words of subjects that belong to muster. Subjects that begin with `$` or `_` belong to the broker, and no
 * template can begin so.
 */
export const reservedWords = ['node', 'requester', 'muster', 'unverified'] as const;

/** Returns the subject that a template opens for one node. */
export const subjectFor = (template: string, nodeId: string): string => template.replace(placeholder, nodeId);

/** Returns the subject that a template opens for all nodes together, with a wildcard in place of the id. */
export const subjectForAll = (template: string): string => template.replace(placeholder, '*');

/** Returns whether there is a subject that both patterns match. They may have `*` as a token, and `>` as the last one. */
export function overlaps(one: string, other: string): boolean {
  const [left, right] = [one.split('.'), other.split('.')];
  for (let at = 0; at < left.length && at < right.length; at++) {
    const [a = '', b = ''] = [left[at], right[at]];
    if (a === '>' || b === '>') return true;
    if (a !== b && a !== '*' && b !== '*') return false;
  }
  return left.length === right.length;
}
