// Defines the kind of a list of subject templates: the subjects that approved nodes may use besides their own.
import { reservedWords } from '../protocol/subject-template.ts';
import { commas, type Fragment } from './fragment.ts';
import { Refusal, readList, type SettingKind } from './kind.ts';

const maxTemplates = 32;
const maxLength = 255;
const allowed = 'subjects like work.{nodeId} or work.{nodeId}.>, that begin with a word of your own';

const word = '[A-Za-z0-9_-]+';
const firstWord = `(?!(?:${reservedWords.join('|')})(?![A-Za-z0-9_-]))[A-Za-z][A-Za-z0-9_-]*`;
const token = `\\.(?:${word}|\\*)`;
const template = `${firstWord}(?:${token})*(?:\\.\\{nodeId\\}(?:${token})*)?(?:\\.>)?`;
const templateOnly = new RegExp(`^${template}$`);

/**
 * The kind of a list of subject templates. The first word of each is a name that neither muster nor the broker uses, so
 * that no template opens a subject of theirs.
 */
export const subjectTemplates: SettingKind<readonly string[]> = {
  name: 'subjects',
  allowed,
  schema: templatesSchema,
  read(input) {
    const items = readList(input);
    if (items.length > maxTemplates)
      throw new Refusal(`are too many; allowed: ${maxTemplates}`, `${items.length} subjects`);
    for (const item of items) refuseWrong(item);
    return items;
  },
  plain: value => value,
};

function refuseWrong(item: string): void {
  if (item.length <= maxLength && templateOnly.test(item)) return;
  const shown = `"${item.slice(0, maxLength)}"`;
  const [first = ''] = item.split('.');
  if (reservedWords.some(reserved => reserved === first) || /^[$_]/.test(first)) {
    const text = 'belongs to muster or to the broker; allowed: subjects that begin with a word of your own';
    throw new Refusal(text, shown);
  }
  if (/^(?:[*>]|\{nodeId\})/.test(item)) {
    const text =
      'could be any subject, also one of muster; allowed: subjects that begin with a word of your own';
    throw new Refusal(text, shown);
  }
  throw new Refusal(`is no subject for approved nodes; allowed: ${allowed}`, shown);
}

function templatesSchema(): Fragment {
  const one = `(?=[^,\\s]{1,${maxLength}}(?![^,\\s]))${template}`;
  const text = { pattern: commas(one), patternErrorMessage: `allowed: ${allowed}` };
  // The word `true` may stand for a subject, and YAML reads it as a boolean.
  const type = ['string', 'boolean', 'null'] as const;
  return { type: ['array', ...type], ...text, items: { type, ...text } };
}
