// One question to a cloud's metadata service: bounded in time and size, without proxies and without following anything.
import { reasonOf } from '../../system/errors.ts';
import type { Fault, MetadataRequest } from './inputs.ts';

const bodyLimit = 4096;

/** The answer's body when its status is 200. `deadline` in milliseconds. Never throws. */
export async function askMetadata(
  { method, url, headers }: MetadataRequest,
  deadline: number,
): Promise<{ value: string } | { fault: Fault }> {
  // Few agents ask, and it costs the others memory.
  const { request } = await import('node:http');
  return new Promise(resolve => {
    const fail = (kind: Fault['kind'], reason: string) => {
      clearTimeout(timer);
      call.destroy();
      resolve({ fault: { kind, reason } });
    };
    // A machine in no cloud has nobody who answers: that is absence, not a fault.
    const timer = setTimeout(() => fail('absent', `did not answer within ${deadline / 1000} s`), deadline);
    // No keep-alive: a connection left open would keep the process.
    const call = request(url, { method, headers: { ...headers, 'Content-Length': 0 }, agent: false });
    call.on('error', error => fail('absent', `cannot be reached: ${reasonOf(error)}`));
    call.on('response', response => {
      if (response.statusCode !== 200) {
        fail('absent', `answered with status ${response.statusCode}`);
        return;
      }
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('error', error => fail('failed', `broke off: ${reasonOf(error)}`));
      response.on('aborted', () => fail('failed', 'broke off'));
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > bodyLimit) fail('failed', `said more than ${bodyLimit} bytes`);
        else chunks.push(chunk);
      });
      response.on('end', () => {
        clearTimeout(timer);
        resolve({ value: Buffer.concat(chunks).toString('utf8') });
      });
    });
    call.end();
  });
}
