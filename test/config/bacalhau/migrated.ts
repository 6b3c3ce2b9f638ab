// Migrates and loads the result for tests, so that every test fails when the result cannot be loaded.
import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { migrate } from '../../../agent/config/bacalhau/migrate.ts';
import { checkText } from '../../../agent/config/check-text.ts';
import { yamlText } from '../../../agent/output/data.ts';
import { isLoopback } from '../../../agent/system/loopback.ts';

export const path = '/etc/bacalhau/config.yaml';

/** Migrates `text` and loads the result. Messages are returned without the name of the file. */
export async function migrated(text: string, secrets: 'write' | 'point' = 'point') {
  const { document, dropped, notes } = await migrate(text, { path, secrets, mayListenOn: isLoopback });
  const yaml = await yamlText(document);
  const { faults, warnings } = checkText(yaml, '/result');
  assert.deepEqual(faults, []);
  const bare = (lines: string[]) => lines.map(line => line.replace(`${path}:`, ''));
  return { yaml, settings: parse(yaml) ?? {}, dropped: bare(dropped), notes: bare(notes), warnings };
}

/** Returns `value` at the path `key`, nested as in a file of Bacalhau. */
export const nested = (key: string, value: unknown): object =>
  key.split('.').reduceRight((inner, name) => ({ [name]: inner }), value) as object;
