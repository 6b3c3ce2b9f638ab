// The check of imports finds each kind of fault that a test plants, and its message says what to do.
import assert from 'node:assert/strict';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { faultsIn } from '../../../scripts/arrows/faults.ts';
import { reserved } from '../../../scripts/arrows/rules.ts';
import { checkout } from '../../../scripts/packaging/checkout.ts';
import { newFolder } from '../../support/temporary.ts';

/** Returns the faults of a project that consists of these files, by path. */
async function faultsOf(files: Record<string, string>): Promise<string[]> {
  const root = await newFolder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return faultsIn(root);
}

test('imports along the arrows are no fault', async () => {
  const faults = await faultsOf({
    'agent/main.ts': "import './cli/run.ts';",
    'agent/cli/run.ts': "import '../compute/agent.ts'; import './line/argv.ts';",
    'agent/cli/line/argv.ts': '',
    'agent/compute/agent.ts':
      "import type { A } from '../protocol/a.ts'; import { readFile } from 'node:fs/promises';",
    'agent/protocol/a.ts': "// import './b.ts'\nexport const text = \"import './b.ts'\";",
    'agent/transport/nats.ts': "import { connect } from 'nats';",
    'agent/config/environment.ts': 'export const home = process.env.HOME;',
    'scripts/tool.ts': "import '../agent/cli/run.ts'; console.log(process.env.CI);",
    'test/tool.test.ts': "import '../scripts/tool.ts'; import 'nats';",
  });
  assert.deepEqual(faults, []);
});

test('an import against the arrows is a fault', async () => {
  const faults = await faultsOf({
    'agent/api/client.ts': "// The client.\nimport type { Command } from '../cli/command.ts';",
    'agent/cli/command.ts': '',
  });
  assert.deepEqual(faults, [
    `agent/api/client.ts:2: api must not import cli (agent/cli/command.ts).
  Imports go rightwards only: main.ts → cli → doctor → roles → service | compute | requester | broker → api | output | host → config | transport | web → protocol | system
  Move what both need into a folder further right, or let the caller pass it in as a parameter.`,
  ]);
});

test('an import of another folder on the same floor is a fault', async () => {
  const [fault, ...others] = await faultsOf({
    'agent/compute/agent.ts': "export { rolls } from '../requester/roll.ts';",
    'agent/requester/roll.ts': '',
  });
  assert.match(fault ?? '', /^agent\/compute\/agent\.ts:1: compute must not import requester beside it/);
  assert.deepEqual(others, []);
});

test('a new folder without a place on a floor is a fault', async () => {
  const [fault, ...others] = await faultsOf({
    'agent/cli/run.ts': "import '../page/page.ts';",
    'agent/page/page.ts': '',
  });
  assert.match(
    fault ?? '',
    /^agent\/cli\/run\.ts:1: agent\/page has no place among the arrows\.\n {2}Give it one in/,
  );
  assert.deepEqual(others, []);
});

test('an import of the scripts or the tests by the program is a fault', async () => {
  const faults = await faultsOf({
    'agent/main.ts': "await import('../scripts/tool.ts');\nawait import('../test/clock.ts');",
    'scripts/tool.ts': "type Clock = import('../test/clock.ts').Clock;",
    'test/clock.ts': '',
  });
  assert.deepEqual(
    faults.map(fault => fault.split('\n')[0]),
    [
      'agent/main.ts:1: agent/ must not import scripts/ (scripts/tool.ts).',
      'agent/main.ts:2: agent/ must not import test/ (test/clock.ts).',
      'scripts/tool.ts:1: scripts/ must not import test/ (test/clock.ts).',
    ],
  );
});

test('a use of something that is reserved for another folder is a fault', async () => {
  const faults = await faultsOf({
    'agent/compute/agent.ts': `import { connect } from 'nats';
import type { Link } from 'nats/lib/core.js';
import si from 'systeminformation';
import type * as Native from '../../native/index.d.ts';
export const home = process.env.HOME;`,
  });
  assert.deepEqual(
    faults.map(fault => fault.split('\n')[0]),
    [
      'agent/compute/agent.ts:1: only agent/transport/ may use nats.',
      'agent/compute/agent.ts:2: only agent/transport/ may use nats.',
      'agent/compute/agent.ts:3: only agent/host/ may use systeminformation.',
      'agent/compute/agent.ts:4: only agent/host/ may use native/.',
      'agent/compute/agent.ts:5: only agent/config/environment.ts may use process.env.',
    ],
  );
});

test('a dynamic import whose path is a template is checked too', async () => {
  const [fault, ...others] = await faultsOf({
    'agent/system/log.ts': 'await import(`../cli/run.ts`);',
    'agent/cli/run.ts': '',
  });
  assert.match(fault ?? '', /^agent\/system\/log\.ts:1: system must not import cli/);
  assert.deepEqual(others, []);
});

test('every way to the environment of the process is a fault', async () => {
  const faults = await faultsOf({
    'agent/host/a.ts': "const home = process['env'].HOME;",
    'agent/host/b.ts': 'const { env } = process;',
    'agent/host/c.ts': 'const home = globalThis.process.env.HOME;',
    'agent/host/d.ts': "import { env as all } from 'node:process';",
    'agent/host/e.ts': "import { pid } from 'node:process'; const { version } = process;",
  });
  assert.deepEqual(
    faults.map(fault => fault.split('\n')[0]),
    ['a', 'b', 'c', 'd'].map(
      name => `agent/host/${name}.ts:1: only agent/config/environment.ts may use process.env.`,
    ),
  );
});

test('the files exist that the messages about reserved modules recommend', async () => {
  const paths = reserved.flatMap(({ instead }) => [...instead.matchAll(/agent\/[\w/-]+(?:\.ts)?/g)].flat());
  assert.ok(paths.length > 2);
  for (const path of paths) await access(join(checkout, path));
});

test('a circle of files is a fault, also when it imports only types', async () => {
  const faults = await faultsOf({
    'agent/host/disk.ts': "import type { Inputs } from './inputs.ts';",
    'agent/host/inputs.ts': "import './parse.ts';",
    'agent/host/parse.ts': "\nexport * from './disk.ts';",
    'agent/host/view.ts': "import './disk.ts';",
  });
  assert.deepEqual(faults, [
    `These files import each other in a circle:
  agent/host/disk.ts:1 imports agent/host/inputs.ts
  agent/host/inputs.ts:1 imports agent/host/parse.ts
  agent/host/parse.ts:2 imports agent/host/disk.ts
  Remove one of these imports: move what both need into a file of its own, or pass it in as a parameter.`,
  ]);
});

test('a circle of folders is a fault without a circle of files, also between a folder and its subfolder', async () => {
  const faults = await faultsOf({
    'agent/host/machine.ts': "import './gpu/detect.ts';",
    'agent/host/gpu/detect.ts': "import '../text.ts';",
    'agent/host/text.ts': '',
  });
  assert.deepEqual(faults, [
    `These folders import each other in a circle (a subfolder is a folder of its own):
  agent/host/machine.ts:1 imports agent/host/gpu/detect.ts
  agent/host/gpu/detect.ts:1 imports agent/host/text.ts
  Remove the imports in one direction: move the files that both folders need into a folder that imports neither.`,
  ]);
});

test('only a few of the many imports between two folders are shown', async () => {
  const files = Array.from({ length: 9 }, (_, index) => [`agent/host/${index}.ts`, "import './gpu/a.ts';"]);
  const [fault = ''] = await faultsOf({
    ...Object.fromEntries(files),
    'agent/host/gpu/a.ts': '',
    'agent/host/gpu/b.ts': "import '../text.ts';",
    'agent/host/text.ts': '',
  });
  assert.match(
    fault,
    /agent\/host\/4\.ts:1 imports .*\n {2}and 4 more from agent\/host to agent\/host\/gpu\n {2}agent/,
  );
});
