// This worker keeps pages open as browsers do, and throws away what it reads. Arguments: the port of the API, and how many
// pages there are.
import { get } from 'node:http';
import { createGunzip } from 'node:zlib';
import { report } from './worker.ts';

/** The report that the worker sends about once a second. Numbers count from the start. */
export interface PagesReport {
  /** Number of pages that have the whole roll, and the time until all of them had it, in milliseconds. */
  ready: number;
  readyMs: number;
  /** Bytes of all pages, as they came over the network. */
  bytes: number;
  /** Number of pages that were closed. */
  closed: number;
}

const [port, pages] = process.argv.slice(2).map(Number);
const done: PagesReport = { ready: 0, readyMs: 0, bytes: 0, closed: 0 };
const began = performance.now();

for (let page = 0; page < (pages ?? 0); page++) {
  const headers = { 'Accept-Encoding': 'gzip' };
  get({ host: '127.0.0.1', port, path: '/api/v1/orchestrator/roll', headers, agent: false }, response => {
    response.on('data', (chunk: Buffer) => {
      done.bytes += chunk.length;
    });
    response.on('close', () => done.closed++);
    let tail = '';
    let isReady = false;
    const text = response.pipe(createGunzip()).setEncoding('latin1');
    text.on('data', (chunk: string) => {
      if (isReady) return;
      isReady = (tail + chunk).includes('\nevent: ready\n');
      tail = chunk.slice(-32);
      if (!isReady) return;
      done.ready++;
      done.readyMs = performance.now() - began;
    });
  }).on('error', () => done.closed++);
}
setInterval(() => report(done), 1_000);
