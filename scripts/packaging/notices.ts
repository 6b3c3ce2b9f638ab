// Writes the notices: who made the parts of the packaged file, and under which licences. Each licence text appears once.

export interface Notice {
  readonly name: string;
  readonly version: string;
  /** The SPDX expression that its maker gives. */
  readonly licence: string;
  readonly texts: readonly string[];
}

export interface Chapter {
  readonly title: string;
  readonly notices: readonly Notice[];
}

/** Returns the whole text. The same chapters give the same text. */
export function writeNotices(chapters: readonly Chapter[]): string {
  const numbers = new Map<string, number>();
  const numberOf = (text: string): number => {
    const number = numbers.get(text) ?? numbers.size + 1;
    numbers.set(text, number);
    return number;
  };
  const filled = chapters.filter(({ notices }) => notices.length > 0);
  const lists = filled.map(({ title, notices }) => {
    const lines = notices.map(({ name, version, licence, texts }) => {
      const found = texts.map(text => `[${numberOf(text)}]`).join(' ');
      return `  ${name} ${version}: ${licence} ${found || '(without a text)'}\n`;
    });
    return `${title}\n\n${lines.join('')}\n`;
  });
  const bodies = [...numbers].map(([text, number]) => `${'='.repeat(78)}\n[${number}]\n\n${text}\n\n`);
  return `${intro}${lists.join('')}${bodies.join('')}`;
}

const intro = `Licences and notices of muster's packaged file

The file contains the parts that are listed here, each under its own licence.
The number behind a part is that of its licence text. The texts follow the lists.

`;
