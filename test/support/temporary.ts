// Makes temporary folders. They are removed when the tests of the file are done.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

const root = await mkdtemp(join(tmpdir(), 'muster-test-'));
after(() => rm(root, { recursive: true, force: true }));

/** Makes a new, empty folder. */
export const newFolder = (): Promise<string> => mkdtemp(join(root, 'f-'));
