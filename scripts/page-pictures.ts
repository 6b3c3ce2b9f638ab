// Takes the pictures of the page that the README shows, in Debian's Chromium, of a cluster that is started for it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { runStep } from './walk.ts';

const checkout = new URL('../', import.meta.url);
const file = (path: string) => fileURLToPath(new URL(path, checkout));

/** What is decided before the pictures are taken, so that there is something to see. */
const steps = [
  'muster node approve node-1 node-2 node-3 node-4',
  'muster node label node-1 rack=b7 zone=east',
  'muster node label node-2 rack=b7 zone=west',
  'muster node cordon node-3 -m "disk swap" --for 2h',
  'muster node reject node-5 -m "unknown machine"',
];

const pictures = [
  { name: 'page-roll.png', place: '/nodes', colorScheme: 'dark', height: 460 },
  { name: 'page-node.png', place: '/node/node-1', colorScheme: 'light', height: 900 },
] as const;

const folder = await mkdtemp(join(tmpdir(), 'muster-pictures-'));
const variables = {
  MUSTER_DATA_DIR: folder,
  MUSTER_API_PORT: String(await freePort()),
  MUSTER_BROKER_PORT: String(await freePort()),
};
const dev = spawn(file('scripts/muster'), ['dev', '--nodes', '6'], {
  env: { ...process.env, ...variables },
  stdio: 'ignore',
});
try {
  await untilHealthy(dev);
  for (const command of steps) {
    const { code, stderr } = await runStep(command, variables);
    if (code !== 0) throw new Error(`${command}: ${stderr}`);
  }
  // Two samples of what the machine uses make a line.
  await sleep(65_000);
  await takePictures();
} finally {
  dev.kill('SIGINT');
  if (dev.exitCode === null) await once(dev, 'exit');
  await rm(folder, { recursive: true, force: true });
}

async function takePictures(): Promise<void> {
  const token = (await readFile(join(folder, 'dev', 'node-0', 'requester', 'operator.token'), 'utf8')).trim();
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
  for (const { name, place, colorScheme, height } of pictures) {
    const page = await browser.newPage({ colorScheme, viewport: { width: 1200, height }, locale: 'en-GB' });
    await page.addInitScript(`sessionStorage.setItem('muster-token', ${JSON.stringify(token)})`);
    await page.goto(`http://127.0.0.1:${variables.MUSTER_API_PORT}/#${place}`);
    await page.getByText('node-1').first().waitFor();
    await sleep(2_000);
    await page.screenshot({ path: file(`docs/${name}`) });
  }
  await browser.close();
}

async function untilHealthy(cluster: ChildProcess): Promise<void> {
  while (cluster.exitCode === null) {
    const { stdout } = await runStep('muster node list --filter-status healthy --hide-header', variables);
    if (stdout.trim().split('\n').length >= 6 && stdout.includes('node-6')) return;
    await sleep(500);
  }
  throw new Error('muster dev has ended');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address ? address.port : 0;
}
