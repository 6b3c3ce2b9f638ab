// Tests that an agent waits while a command gives it a join code, and for nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { holdAgentFolder } from '../../agent/roles/hold-agent-folder.ts';
import { systemClock } from '../../agent/system/clock.ts';
import { holdFolder, type RoleSocket } from '../../agent/system/role-socket.ts';
import { newFolder } from '../support/temporary.ts';

const describe = () => 'another one holds it';

test('an agent that starts while a command writes a join code waits until that is written', async () => {
  const folder = await newFolder();
  let asked = 0;
  const command: RoleSocket = await holdFolder(
    folder,
    () => {
      if (++asked === 2) setImmediate(() => void command.close());
      return { state: 'joining' };
    },
    describe,
  );
  const agent = await holdAgentFolder(folder, () => 'the agent', describe, systemClock);
  assert.ok(asked >= 2, `the command was asked ${asked} times`);
  await agent.close();
});

test('an agent does not wait for another agent', async () => {
  const folder = await newFolder();
  const other = await holdFolder(folder, () => ({ state: 'starting' }), describe);
  await assert.rejects(
    holdAgentFolder(folder, () => 'the agent', describe, systemClock),
    /another one holds it/,
  );
  await other.close();
});
