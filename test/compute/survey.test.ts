// What the reports say of this machine: real facts at once, the inventory when it comes, and no failure that spreads.
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { nodeInfo } from '../../agent/compute/node-info.ts';
import { Survey } from '../../agent/compute/survey.ts';
import { keepInventory } from '../../agent/host/inventory.ts';
import { registerSchema, updateResourcesSchema } from '../../agent/protocol/messages.ts';
import { check } from '../../agent/protocol/schema.ts';
import { recordLog } from '../support/log-lines.ts';
import { newFolder } from '../support/temporary.ts';
