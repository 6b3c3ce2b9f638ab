// The list of decoders is complete: whatever reads text or bytes from outside is fuzzed, or it is said why not.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { allDecoders } from './all-decoders.ts';

const agent = fileURLToPath(new URL('../../agent/', import.meta.url));
const sources = globSync('**/*.ts', { cwd: agent });
const covered = allDecoders.flatMap(({ covers }) => covers);
const coveredFiles = new Set(covered.map(each => each.split(' ')[0]));

/** Files that parse JSON and are not fuzzed, each with the reason. */
const others: Readonly<Record<string, string>> = {
  'system/log-text.ts': 'reads only the lines that the log of this process has just written',
  'system/packaged.ts': 'reads a part of the executable itself',
  'doctor/check-process.ts': 'reads what a child process of this program writes',
  'doctor/checks/requester.ts': 'reads an answer by the schema of "an answer"',
  'compute/registration/requester-client.ts': 'reads an answer by the schema of "an answer", and a refusal',
  'api/trusted-authorities.ts':
    'takes texts from the file of what a node knows of its cluster, and nothing else',
  'requester/enrolment/nats-trial.ts': 'an answer that cannot be read means a broker that asks nobody',
  'web/feed/ask.ts': 'reads what the requester answers that served the page; what is no JSON is no answer',
  'web/feed/roll-feed.ts': 'reads what the requester writes that served the page; a fault ends the stream',
  'transport/access-check.ts': 'takes a time from an answer, or leaves it out',
};

test('each function of the protocol that reads or decodes is fuzzed', () => {
  for (const file of sources.filter(name => name.startsWith('protocol/'))) {
    const source = readFileSync(agent + file, 'utf8');
    for (const [, name = ''] of source.matchAll(
      /^export (?:async )?(?:function|const) ((?:read|decode|parse)[A-Z]\w*)/gm,
    )) {
      // `parseJson` is below all others.
      assert.ok(covered.includes(`${file} ${name}`), `${file} ${name} has no row in test/fuzz`);
    }
  }
});

test('each file that parses JSON is fuzzed, or is named with the reason', () => {
  const parsing = sources.filter(file =>
    /\b(?:parseJson|JSON\.parse)\(/.test(readFileSync(agent + file, 'utf8')),
  );
  for (const file of parsing)
    assert.ok(coveredFiles.has(file) || Object.hasOwn(others, file), `${file} has no row in test/fuzz`);
  for (const file of Object.keys(others))
    assert.ok(parsing.includes(file), `${file} parses no JSON any more`);
});

test('what the rows name exists', () => {
  for (const each of covered) {
    const [file = '', name] = each.split(' ');
    assert.ok(existsSync(agent + file), `${file} does not exist`);
    if (name === undefined) continue;
    const source = readFileSync(agent + file, 'utf8');
    assert.match(source, new RegExp(`^export (?:async )?(?:function|const) ${name}\\b`, 'm'), each);
  }
});
