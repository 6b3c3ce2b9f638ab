// Reads what the TypeScript files of a folder import: types, dynamic imports and re-exports too.
import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { parse, Visitor } from 'rolldown/utils';

export interface Import {
  readonly from: string;
  readonly line: number;
  /** The path of a file of the project, the name of a package, or `process.env` for a use of the environment. */
  readonly to: string;
}

/**
 * Returns the imports of `file`, a path below `root`, in the order of their lines.
 * @throws Error when the file cannot be read or is not TypeScript.
 */
export async function importsOf(root: string, file: string): Promise<Import[]> {
  const text = await readFile(join(root, file), 'utf8');
  const { program, errors } = await parse(file, text);
  if (errors[0]) throw new Error(`${file}: ${errors[0].message}`);
  const found: Import[] = [];
  const add = (start: number, to: string) => {
    found.push({ from: file, line: text.slice(0, start).split('\n').length, to });
  };
  const addSource = ({ start, source }: { start: number; source?: unknown }) => {
    const { value } = (source ?? {}) as { value?: unknown };
    if (typeof value === 'string') add(start, resolved(file, value));
  };
  new Visitor({
    ImportDeclaration: addSource,
    ExportNamedDeclaration: addSource,
    ExportAllDeclaration: addSource,
    ImportExpression: addSource,
    TSImportType: addSource,
    MemberExpression({ start, object, property }) {
      if (object.type !== 'Identifier' || object.name !== 'process') return;
      if (property.type === 'Identifier' && property.name === 'env') add(start, 'process.env');
    },
  }).visit(program);
  return found.sort((a, b) => a.line - b.line);
}

function resolved(file: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : specifier;
}
